-- Whether any transaction is still open that was when $1 was the next one.
SELECT txid_snapshot_xmin(txid_current_snapshot()) < $1::bigint
