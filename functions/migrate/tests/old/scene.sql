-- With LOG_EXPIRY_H=480: connections, and messages named for what must become of them.
INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, name, chain, version, authority, startup_time, implementation)
SELECT id, ip_addr, peer_id, (now() AT TIME ZONE 'UTC') - age, audit, name, 'Flaming Fir', '2.0', id % 2 = 0, 1577836800000 + id, 'node'
FROM (VALUES
    (1, '10.0.0.1:30333', 'A', interval '60 days', false, 'first of A'),
    (2, '10.0.0.1:30334', 'A', '3 days', false, 'last of A'),
    (3, '10.0.0.2:30333', 'B', '400 days', true, 'audit'),
    (4, '10.0.0.3:30333', NULL, '2 days', false, NULL),
    (5, '10.0.0.4:30333', 'C', '30 days', false, 'expired'),
    (6, '10.0.0.5:30333', 'D', '5 days', false, 'silent'),
    (7, NULL, 'E', '1 day', false, 'without an address'),
    (8, '10.0.0.6:30333', repeat('p', 3000), '1 day', false, 'endless'),
    (9, '10.0.0.7:30333', '', '1 day', false, 'nobody')
) AS scene (id, ip_addr, peer_id, age, audit, name);
SELECT setval('peer_connections_id_seq', 9);

INSERT INTO tetcore_logs (created_at, logs, peer_connection_id)
SELECT (now() AT TIME ZONE 'UTC') - age, logs::jsonb || jsonb_build_object('becomes', becomes), connection
FROM (VALUES
    (interval '59 days', 1, 'expired', '{"msg": "system.interval"}'),
    ('19 days', 1, 'kept', '{"msg": "system.interval", "height": 1e3}'),
    ('18 days', 1, 'kept', '{"msg": "tracing.profiling", "target": "pallet", "name": "x", "time": 1}'),
    ('17 days', 1, 'kept', '{"msg": "system.network_state", "state": {"peerset": {"nodes": {"B": {"reputation": -5, "connected": true}}}}}'),
    ('2 days', 2, 'kept', '{"msg": "system.network_state", "network_state": {"peerset": {"nodes": {"C": {"reputation": 7, "connected": false}}}}}'),
    ('1 day', 2, 'kept', '{"msg": "system.network_state", "state": {"peerset": {"nodes": []}}}'),
    ('1 hour', 2, 'kept', '{"msg": 5, "target": 5}'),
    ('-2 days', 2, 'kept', '{"no": "type", "ts": "of a clock that is fast"}'),
    ('399 days', 3, 'kept', '{"msg": "system.network_state", "state": {"peerset": {"nodes": {"A": {"reputation": 1, "connected": true}}}}}'),
    ('30 days', 3, 'kept', '{"msg": "system.interval", "target": "old"}'),
    ('20000 days', 3, 'kept', '{"msg": "of 1970 or so"}'),
    ('36 hours', 4, 'kept', '{"msg": "before its identity"}'),
    ('29 days', 5, 'expired', '{"msg": "system.network_state", "state": {"peerset": {"nodes": {"A": {"reputation": 2, "connected": true}}}}}'),
    ('1 hour', 7, 'kept', '{"msg": "", "empty": {"": null}}'),
    ('1 hour', 8, 'kept', '{"msg": "of an endless id"}'),
    ('1 hour', 9, 'kept', '{"msg": "of an empty id"}'),
    ('100 days', 77, 'kept', '{"msg": "of a lost connection"}'),
    ('99 days', 77, 'kept', '{"msg": "of a lost connection"}'),
    ('98 days', NULL, 'kept', '{"msg": "of no connection"}')
) AS scene (age, connection, becomes, logs);
INSERT INTO tetcore_logs (logs, peer_connection_id) VALUES
    (jsonb_build_object('becomes', 'kept', 'msg', repeat('long ', 200000), 'target', repeat('wide', 100000)), 2),
    ('["kept", "an array"]', 2),
    ('"kept, a string"', 2),
    (NULL, 2);

INSERT INTO host_systems VALUES (1, 'laptop', 'Debian', 4, 2600, 16384, 'SSD'), (5, 'server', 'Ubuntu', 32, 3000, 262144, 'NVMe');
INSERT INTO benchmarks VALUES (2, '{"chain": "dev"}', '2020-01-02 03:04:05.678901'), (3, '[]', '2020-02-03');
INSERT INTO benchmark_events VALUES
    (1, 2, 'import', 'start', '2020-01-02 03:05'), (2, 2, 'import', 'end', '2020-01-02 03:06:00.5'), (4, 9, 'of none', '', '2020-03-04');
