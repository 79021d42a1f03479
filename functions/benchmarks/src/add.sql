-- Adds a benchmark in one of its two forms, and says what it is now known as.
INSERT INTO benchmarks (setup, benchmark_spec, chain_spec, description, host_system_id, ts_start, ts_end)
VALUES ($1::text::jsonb, $2::text::jsonb, $3::text::jsonb, $4, $5, $6, $7)
RETURNING id, setup::text, benchmark_spec::text, chain_spec::text, description, host_system_id, ts_start, ts_end, created_at
