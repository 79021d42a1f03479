-- The messages up to $1 as version 0.1.4 would hold them; what is compressed stays so.
INSERT INTO v0_1_4.substrate_logs (created_at, logs, peer_connection_id)
SELECT created_at AT TIME ZONE 'UTC', logs, abs(peer_connection_id % 1000000)
FROM tetcore_logs
WHERE created_at < $1
ORDER BY created_at
