-- What one node sent, newest first.
SELECT ip_addr, peer_id, logs ->> 'msg' AS msg, substrate_logs.created_at, logs
FROM substrate_logs
JOIN peer_connections ON peer_connections.id = peer_connection_id
WHERE peer_id = '{peer}' {filters}
ORDER BY substrate_logs.created_at DESC
LIMIT {limit}
