-- Stores as batch-flush would: of every second of 60 nodes, the last 20 of which are audit, a row for each of the last 45
-- hours. Two of them are network states, the first node's of 1 and 4 hours ago, the second's of 2 and 5.
WITH stored AS (
    INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
    SELECT now() - age * interval '1 hour' + interval '1 minute', 1, node, node > 40,
           CASE WHEN age - (node - 1) % 40 IN (1, 4) THEN 'system.network_state' ELSE 'm' || age % 3 END,
           '{"state": {"peerset": {"nodes": {"peer": {"reputation": 1, "connected": true}}}}}'
    FROM generate_series({first}, 60, 2) AS node, generate_series(1, 45) AS age
    RETURNING node_id, audit, created_at, msg, logs
)
SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM stored
UNION ALL
SELECT save_reputation_report(ROW(node_id, audit, created_at, report.*)::reputation_reports)
FROM stored CROSS JOIN read_reputations(logs) AS report
WHERE msg = 'system.network_state'
