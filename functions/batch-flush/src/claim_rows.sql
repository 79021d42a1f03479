-- Gives rows that were stored before their node was known to that node.
-- $1: peers. save_peers.sql has locked them in this transaction, so that another flusher's rows of theirs are either
-- visible here, or follow and find the node known.
UPDATE tetcore_logs AS log
SET node_id = peer.node_id
FROM peer_connections AS peer
WHERE peer.id = ANY ($1)
  AND peer.node_id IS NOT NULL
  AND log.peer_connection_id = peer.id
  AND log.node_id IS NULL
