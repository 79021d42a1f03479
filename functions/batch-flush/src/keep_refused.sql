-- Keeps the beginning of a message that the database refused. $1: its peer, $2: why, $3: its size, $4: its first bytes.
INSERT INTO ingest_rejects (created_at, reason, ip_addr, peer_connection_id, stored, size, sample)
SELECT now(), $2, coalesce((SELECT ip_addr FROM peer_connections WHERE id = $1), ''), $1, false, $3, $4
