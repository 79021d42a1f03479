-- The messages from $1 on, as version 0.1.4 would hold them; what is compressed stays so.
INSERT INTO v0_1_4.substrate_logs (created_at, logs, peer_connection_id)
SELECT created_at AT TIME ZONE 'UTC', logs, peer_connection_id
FROM tetcore_logs
WHERE created_at >= $1
