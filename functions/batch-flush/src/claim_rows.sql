-- Gives rows that were stored before their node was known to that node, and derives from them what would have been.
-- $1: peers. save_peers.sql has locked them in this transaction, so that another flusher's rows of theirs are either
-- visible here, or follow and find the node known.
SELECT claim_log_rows($1)
