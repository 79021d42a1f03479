-- The connections, as version 0.1.4 would know them.
INSERT INTO v0_1_4.peer_connections (id, ip_addr, peer_id, created_at, audit, name, chain, version, authority, startup_time, implementation)
SELECT id, ip_addr, peer_id, created_at AT TIME ZONE 'UTC', audit, name, chain, version, authority, startup_time, implementation
FROM peer_connections
