-- The time of benchmark $1; no row if there is none. One that does not tell its time has that of its events, and one without an
-- end goes on.
SELECT coalesce(ts_start, min(event.created_at), benchmarks.created_at) AS first, coalesce(ts_end, max(event.created_at), now()) AS last
FROM benchmarks
LEFT JOIN benchmark_events AS event ON benchmark_id = benchmarks.id
WHERE benchmarks.id = $1
GROUP BY benchmarks.id
