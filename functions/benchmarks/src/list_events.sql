-- What happened during benchmark $1, in the order of time.
-- $2 and $3: time and number of the last row of the page before, null for none, $4: rows.
SELECT id, benchmark_id, name, phase, created_at
FROM benchmark_events
WHERE benchmark_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3::bigint))
ORDER BY created_at, id
LIMIT $4
