-- What one node sent, newest first. Filters stand here only where they are given, so that one plan serves all that are alike:
-- with some hundred partitions, to plan takes longer than to read.
-- $1: its key, $2: msg, $3: target, $4: from, included, $5: to, not included, null for no end,
-- $6 and $7: time and id of the last row of the page before, $8: rows.
SELECT id, created_at, peer_connection_id, msg, logs::text
FROM tetcore_logs
WHERE node_id = $1
  AND {msg}
  AND {target}
  AND created_at >= coalesce($4::timestamptz, '-infinity')
  AND created_at < coalesce($5::timestamptz, 'infinity')
  AND {after}
ORDER BY created_at DESC, id DESC
LIMIT $8
