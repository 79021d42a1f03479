-- The latest connection of each node.
SELECT DISTINCT ON (peer_id) * FROM peer_connections WHERE peer_id IS NOT NULL {filters} ORDER BY peer_id, created_at DESC LIMIT {limit}
