-- What is derived from the messages that were stored. In the flushers' order, so that nobody deadlocks.
SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(left(msg, 256)))
FROM messages
WHERE skipped IS NULL;

SELECT note_log_targets(array_agg(audit), array_agg(created_at), array_agg(msg), array_agg(target))
FROM (
    SELECT DISTINCT audit, date_trunc('month', created_at, 'UTC') AS created_at, left(msg, 256) AS msg,
           CASE jsonb_typeof(logs -> 'target') WHEN 'string' THEN left(logs ->> 'target', 256) END AS target
    FROM messages
    WHERE skipped IS NULL AND logs ? 'target'
) AS known;

-- Of each reporter only the newest state that speaks of others is read in full, which takes a while.
SELECT save_reputation_report(ROW(node_id, audit, created_at, report.*)::reputation_reports)
FROM (
    SELECT DISTINCT ON (node_id, audit) node_id, audit, created_at, logs
    FROM messages
    WHERE skipped IS NULL
      AND node_id IS NOT NULL
      AND msg = 'system.network_state'
      AND 'object' IN (jsonb_typeof(logs #> '{state,peerset,nodes}'), jsonb_typeof(logs #> '{network_state,peerset,nodes}'))
    ORDER BY node_id, audit, created_at DESC
) AS newest
CROSS JOIN read_reputations(logs) AS report;
