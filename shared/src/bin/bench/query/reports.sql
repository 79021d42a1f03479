-- Reads the newest network state of each node, of those from $1 on, as the migration does that makes reputation_reports.
INSERT INTO reputation_reports AS known (node_id, audit, reported_at, remote_ids, remote_peers, reputations, connected)
SELECT DISTINCT ON (node_id, audit) node_id, audit, created_at, report.*
FROM tetcore_logs
CROSS JOIN read_reputations(logs) AS report
WHERE node_id IN (SELECT id FROM material.peer WHERE is_node) AND msg = 'system.network_state' AND created_at >= $1
ORDER BY node_id, audit, created_at DESC
ON CONFLICT (node_id, audit) DO UPDATE SET
    reported_at = excluded.reported_at,
    remote_ids = excluded.remote_ids,
    remote_peers = excluded.remote_peers,
    reputations = excluded.reputations,
    connected = excluded.connected
