-- Notes the targets of the rows of fill.sql as batch-flush would have.
SELECT note_log_targets(array_agg(audit), array_agg(created_at), array_agg(msg), array_agg(target))
FROM (
    SELECT DISTINCT audit, date_trunc('month', created_at, 'UTC') AS created_at, msg, logs ->> 'target' AS target
    FROM log_rows
    WHERE logs ? 'target'
) AS known
