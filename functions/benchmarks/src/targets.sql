-- The targets of the tracing messages between $1 and $2, both included, in their order. $3: the last one of the page before, null for
-- none, $4: rows.
--
-- Of those that are known of these months, the ones of which there is a message, in a row or in a slice. LATERAL with LIMIT keeps these
-- lookups, where EXISTS would let the planner read all tracing messages.
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
    FROM log_rows
    WHERE msg IN ('tracing.profiling', 'tracing.event')
      AND left(logs ->> 'target', 256) = known.target
      AND created_at BETWEEN $1 AND $2
    UNION ALL
    SELECT
    FROM log_slices
    CROSS JOIN LATERAL unnest(times, msgs, log_slices.logs) AS log (created_at, msg, logs)
    WHERE targets @> ARRAY[known.target]
      AND since <= $2
      AND until >= $1
      -- No partition is wider, and so no slice: the others need not be looked at.
      AND since >= $1 - interval '30 days'
      AND msg IN ('tracing.profiling', 'tracing.event')
      AND left(log.logs ->> 'target', 256) = known.target
      AND created_at BETWEEN $1 AND $2
    LIMIT 1
) AS message
ORDER BY known.target
LIMIT $4
