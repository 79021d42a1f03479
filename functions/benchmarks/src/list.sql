-- The benchmarks behind the one numbered $1, null for all, in the order of their numbers. $2: rows.
SELECT id, setup::text, benchmark_spec::text, chain_spec::text, description, host_system_id, ts_start, ts_end, created_at
FROM benchmarks
WHERE $1::integer IS NULL OR id > $1
ORDER BY id
LIMIT $2
