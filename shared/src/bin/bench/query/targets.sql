-- Notes the targets of the messages from $1 on, as the migration does that makes log_targets.
SELECT note_log_targets(array_agg(audit), array_agg(created_at), array_agg(msg), array_agg(target))
FROM (
    SELECT DISTINCT audit, date_trunc('month', created_at, 'UTC') AS created_at, msg, logs ->> 'target' AS target
    FROM tetcore_logs
    WHERE created_at >= $1 AND msg IN ('tracing.event', 'tracing.profiling')
) AS known
