-- So many connections of each node, one after the other, the last of them still open. $1: now, $2: how many, $3: microseconds of each.
INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, name, chain, version, authority, startup_time,
                              implementation, node_id, last_seen, newest_log_at)
SELECT connection * 10000 + number, '10.0.0.' || number % 256, peer_id, opened, false, 'node-' || number, 'Chain ' || number % 4,
       '2.1.0-x86_64-linux-gnu', number % 2 = 0, 1795336053022, 'Tetcore Node', peer.id, closed, closed
FROM generate_series(1, $2::bigint) AS connection
CROSS JOIN LATERAL (SELECT * FROM material.peer WHERE is_node AND connection > 0 ORDER BY number) AS peer
CROSS JOIN LATERAL (
    SELECT $1::timestamptz - ($3::bigint * ($2 - connection) - 1000 * number) * interval '1 microsecond' AS closed
) AS ended
CROSS JOIN LATERAL (SELECT closed - $3 * interval '1 microsecond' AS opened) AS began
