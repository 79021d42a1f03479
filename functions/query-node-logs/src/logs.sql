-- What one node sent, newest first.
-- $1: its key, $2: its peer id, $3: msg, $4: target, $5: from, $6: to, both included,
-- $7 and $8: time and id of the last row of the page before, $9: rows; null for no such filter.
SELECT log.id, ip_addr, peer_id, msg, log.created_at, logs::text
FROM tetcore_logs AS log
JOIN peer_connections AS peer ON peer.id = peer_connection_id
WHERE log.node_id = $1
  AND peer_id = $2
  -- The beginning of msg is in the index, where other types are passed over without a look at their rows.
  AND ($3::text IS NULL OR left(msg, 64) = left($3, 64) AND msg = $3)
  AND ($4::text IS NULL OR logs ->> 'target' = $4)
  AND log.created_at >= coalesce($5::timestamptz, '-infinity')
  AND log.created_at <= coalesce($7::timestamptz, $6::timestamptz, now())
  AND ($7 IS NULL OR (log.created_at, log.id) < ($7, $8::bigint))
ORDER BY log.created_at DESC, log.id DESC
LIMIT $9
