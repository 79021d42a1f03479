-- What every second node sent, in the order of time: so many messages each, evenly spread, and one rare message before all others.
-- $1: the time of the last one, $2: microseconds between two, $3: how many, $4: connections of each node, $5: 0 or 1 for which nodes.
INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
SELECT at, connection * 10000 + node.number, node.id, false, msg,
       CASE msg
           WHEN 'system.network_state' THEN fields || jsonb_build_object('ts', at, 'state', (
               SELECT state FROM material.state WHERE state.node = node.number AND variant = age % 4
           ))
           ELSE fields || jsonb_build_object('ts', at, 'height', 1853456 - age)
       END
FROM generate_series($3::bigint, 0, -1) AS age
CROSS JOIN LATERAL (SELECT greatest($4::bigint - age * $4 / $3, 1) AS connection) AS open
-- OFFSET keeps the planner from turning the order round.
CROSS JOIN LATERAL (
    SELECT * FROM material.peer WHERE is_node AND number % 2 = $5::integer AND age >= 0 ORDER BY number OFFSET 0
) AS node
CROSS JOIN LATERAL (
    SELECT * FROM material.kind WHERE number = CASE WHEN age < $3 THEN (age * 37 + node.number) % 100 ELSE 100 END OFFSET 0
) AS kind
CROSS JOIN LATERAL (
    SELECT $1::timestamptz - ($2::bigint * age + $2 * (2 * node.number + 1) / 4000) * interval '1 microsecond' AS at
) AS sent
