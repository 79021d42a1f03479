-- The targets of the tracing messages between $1 and $2, both included, in their order. $3: the last one of the page before, null for
-- none, $4: rows.
--
-- Of those that are known of these months, the ones of which there is a message. LATERAL with LIMIT keeps these lookups, where EXISTS
-- would let the planner read all tracing messages.
SELECT known.target
FROM (
    SELECT DISTINCT target
    FROM log_targets
    WHERE msg IN ('tracing.profiling', 'tracing.event')
      AND target > coalesce($3::text, '')
      AND month BETWEEN date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC') AND $2::timestamptz AT TIME ZONE 'UTC'
) AS known
CROSS JOIN LATERAL (
    SELECT
    FROM tetcore_logs
    WHERE msg IN ('tracing.profiling', 'tracing.event')
      AND left(logs ->> 'target', 256) = known.target
      AND created_at BETWEEN $1 AND $2
    LIMIT 1
) AS message
ORDER BY known.target
LIMIT $4
