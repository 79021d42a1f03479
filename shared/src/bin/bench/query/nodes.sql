-- The latest connection of each node.
INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
SELECT DISTINCT ON (node_id) node_id, peer_id, id, created_at, last_seen
FROM peer_connections
ORDER BY node_id, created_at DESC
