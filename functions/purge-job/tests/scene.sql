-- With LOG_EXPIRY_H=1: rows, connections, nodes, batches and rejects, each named for what must become of it.
INSERT INTO peer_connections (id, ip_addr, peer_id, node_id, created_at, audit, last_seen, newest_log_at, name)
SELECT id, '::1', peer_id, node_id(peer_id), now() - interval '3 hours', audit, now() - last_seen, now() - newest_log, name
FROM (VALUES
    (1::bigint, 'A', false, interval '2 hours', interval '2 hours', 'gone: all expired'),
    (2, 'A', false, '30 minutes', '10 minutes', 'kept: has rows'),
    (3, 'A', false, '30 minutes', '2 hours', 'kept: has rows not reported yet'),
    (4, 'B', false, '2 hours', NULL, 'gone: never had a row'),
    (5, 'B', false, '11 minutes', NULL, 'gone: never had a row'),
    (6, 'C', true, '2 hours', '2 hours', 'kept: has audit rows'),
    (7, 'D', true, '2 hours', NULL, 'gone: audit, never had a row'),
    (8, 'E', true, '30 days', NULL, 'kept: has audit rows not reported yet'),
    (9, NULL, false, '30 minutes', NULL, 'kept: has rows without a node'),
    (10, NULL, false, '30 minutes', NULL, 'gone: no rows and no node'),
    (11, 'F', false, '9 minutes', NULL, 'kept: still connected'),
    (12, 'F', false, '2 hours', '2 hours', 'gone: all expired')
) AS scene (id, peer_id, audit, last_seen, newest_log, name);

-- Two nodes point to a connection that goes: one has another left, one has not.
INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
SELECT node_id(peer_id), peer_id, latest, now(), now()
FROM (VALUES ('A', 2), ('B', 5), ('C', 6), ('D', 7), ('E', 8), ('F', 12)) AS scene (peer_id, latest);

INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
SELECT created_at, connection, node_id(peer_id), audit, msg, '{}'
FROM (VALUES
    (now() - interval '2 hours', 1, 'A', false, 'gone: 2 hours old'),
    (timestamptz '2019-01-01', 1, 'A', false, 'gone: of 2019'),
    (now() - interval '61 minutes', 12, 'F', false, 'gone: 61 minutes old'),
    (now(), 2, 'A', false, 'kept: new'),
    (now() - interval '58 minutes', 3, 'A', false, 'kept: 58 minutes old'),
    (now() - interval '30 minutes', 9, NULL, false, 'kept: without a node'),
    (now() + interval '1 year', 2, 'A', false, 'kept: next year'),
    (now() - interval '2 hours', 6, 'C', true, 'kept: audit, 2 hours old'),
    (timestamptz '2019-01-01', 6, 'C', true, 'kept: audit, of 2019'),
    (now() - interval '40 days', 8, 'E', true, 'kept: audit, 40 days old'),
    (now(), 6, 'C', true, 'kept: audit, new'),
    (now() + interval '1 year', 6, 'C', true, 'kept: audit, next year')
) AS scene (created_at, connection, peer_id, audit, msg);

INSERT INTO ingest_batches (id, created_at, messages)
SELECT gen_random_uuid(), now() - age * interval '1 day' + interval '1 hour', 1 FROM generate_series(1, 9) AS age;

INSERT INTO ingest_rejects (created_at, reason, ip_addr, stored, size, sample)
SELECT now() - age * interval '25 minutes', 'not JSON', '::1', false, 1, '' FROM generate_series(0, 5) AS age;

-- As batch-flush would have.
SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM tetcore_logs;
