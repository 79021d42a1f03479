-- The targets of the tracing messages within the time of benchmark $1, in their order. $2: the last one of the page before, null
-- for none, $3: rows. A benchmark that does not tell its time has that of its events, and one without an end goes on.
--
-- From one target to the next through their index, and there to the first message that is late enough: neither grows with the
-- number of messages.
WITH RECURSIVE span AS MATERIALIZED (
    SELECT coalesce(ts_start, min(event.created_at), benchmarks.created_at) AS first,
           coalesce(ts_end, max(event.created_at), now()) AS last
    FROM benchmarks
    LEFT JOIN benchmark_events AS event ON benchmark_id = benchmarks.id
    WHERE benchmarks.id = $1
    GROUP BY benchmarks.id
), known (target) AS (
    SELECT coalesce($2::text, '')
    UNION ALL
    SELECT (
        SELECT left(logs ->> 'target', 256)
        FROM tetcore_logs
        WHERE msg IN ('tracing.profiling', 'tracing.event') AND left(logs ->> 'target', 256) > known.target
        ORDER BY left(logs ->> 'target', 256)
        LIMIT 1
    )
    FROM known
    WHERE known.target IS NOT NULL
)
SELECT target
FROM known
CROSS JOIN span
WHERE target > coalesce($2, '')
  AND EXISTS (
      SELECT FROM tetcore_logs
      WHERE msg IN ('tracing.profiling', 'tracing.event')
        AND left(logs ->> 'target', 256) = target
        AND created_at BETWEEN first AND last
  )
LIMIT $3
