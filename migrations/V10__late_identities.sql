-- Rows that were stored before their node was known, and what is derived from them.

-- The function below takes over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION claim_log_rows(peers bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path FROM CURRENT
BEGIN ATOMIC
    WITH claimed AS (
        UPDATE tetcore_logs AS log
        SET node_id = peer.node_id
        FROM peer_connections AS peer
        WHERE peer.id = ANY (peers)
          AND peer.node_id IS NOT NULL
          AND log.peer_connection_id = peer.id
          AND log.node_id IS NULL
        RETURNING log.node_id, log.audit, log.created_at, log.msg,
                  CASE log.msg WHEN 'system.network_state' THEN log.logs END AS network_state
    ), newest AS (
        SELECT DISTINCT ON (node_id, audit) node_id, audit, created_at, report.*
        FROM claimed
        CROSS JOIN read_reputations(network_state) AS report
        ORDER BY node_id, audit, created_at DESC
    )
    SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM claimed
    UNION ALL
    SELECT save_reputation_report(ROW(newest.*)::reputation_reports) FROM newest;
END;

COMMENT ON FUNCTION claim_log_rows(bigint[]) IS
    'Gives rows that were stored before the nodes of these peers (peer_connections.id) were known to these nodes, and derives from them what would have been.';

REVOKE EXECUTE ON FUNCTION claim_log_rows(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_log_rows(bigint[]) TO tetcore_flush;
