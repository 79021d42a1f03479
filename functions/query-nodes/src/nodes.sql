-- The latest connection of each node, newest node first.
-- $1: chain, $2: name, $3 and $4: time and id of the last row of the page before, $5: rows; null for no such filter.
SELECT peer.id, ip_addr, node.peer_id, created_at, audit, name, chain, version, authority, startup_time, implementation,
       node.last_seen
FROM nodes AS node
JOIN peer_connections AS peer ON peer.id = node.peer_connection_id
WHERE ($1::text IS NULL OR chain = $1)
  AND ($2::text IS NULL OR name = $2)
  AND ($3::timestamptz IS NULL OR (connected_at, peer_connection_id) < ($3, $4::bigint))
ORDER BY connected_at DESC, peer_connection_id DESC
LIMIT $5
