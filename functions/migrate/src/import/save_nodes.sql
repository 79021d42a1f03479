-- Saves the nodes of the connections in senders: each points to its latest connection, as in batch-flush's save_peers.sql. Only
-- now, since the flushers of nodes that are still there wait for this transaction from here on.
INSERT INTO nodes AS known (id, peer_id, peer_connection_id, connected_at, last_seen)
SELECT DISTINCT ON (node_id) node_id, peer_id, peer.id, created_at, last_seen
FROM senders
JOIN peer_connections AS peer ON peer.id = {first} + senders.id
WHERE node_id IS NOT NULL
ORDER BY node_id, created_at DESC, peer.id DESC
ON CONFLICT (id) DO UPDATE SET
    (peer_connection_id, connected_at, last_seen) =
    (excluded.peer_connection_id, excluded.connected_at, excluded.last_seen)
WHERE (excluded.connected_at, excluded.peer_connection_id, excluded.last_seen)
    > (known.connected_at, known.peer_connection_id, known.last_seen);
