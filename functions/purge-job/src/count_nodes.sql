-- How many nodes would be left without any connection if the connections $1 went.
SELECT count(*)
FROM nodes
WHERE peer_connection_id = ANY ($1)
  AND NOT EXISTS (SELECT FROM peer_connections WHERE node_id = nodes.id AND peer_connections.id <> ALL ($1))
