-- A network state of each node, just after $1.
INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
SELECT at, peer_connection_id, node.id, false, msg, fields || jsonb_build_object('ts', at, 'state', state)
FROM material.peer
JOIN nodes AS node ON node.peer_id = peer.peer_id
JOIN material.state ON state.node = peer.number AND variant = 0
JOIN material.kind AS kind ON msg = 'system.network_state'
CROSS JOIN LATERAL (SELECT $1::timestamptz + peer.number * interval '1 microsecond' AS at) AS sent
