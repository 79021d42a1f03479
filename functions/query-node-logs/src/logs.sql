-- What one node sent, newest first.
-- $1: its key, $2: msg, $3: target, $4: from, $5: to, both included,
-- $6 and $7: time and id of the last row of the page before, $8: rows; null for no such filter.
SELECT log.id, ip_addr, peer_id, msg, log.created_at, logs::text
FROM (
    SELECT id, created_at, peer_connection_id, msg, logs
    FROM tetcore_logs
    WHERE node_id = $1
      -- The beginning of msg is in the index, where other types are passed over without a look at their rows.
      AND ($2::text IS NULL OR left(msg, 64) = left($2, 64) AND msg = $2)
      AND ($3::text IS NULL OR logs ->> 'target' = $3)
      AND created_at >= coalesce($4::timestamptz, '-infinity')
      AND created_at <= $5::timestamptz
      AND ($6::timestamptz IS NULL OR (created_at, id) < ($6, $7::bigint))
    ORDER BY created_at DESC, id DESC
    LIMIT $8
) AS log
JOIN peer_connections AS peer ON peer.id = log.peer_connection_id
ORDER BY log.created_at DESC, log.id DESC
