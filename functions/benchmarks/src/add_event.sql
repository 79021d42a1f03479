-- Adds an event to benchmark $1; $4: when it happened, null for now.
INSERT INTO benchmark_events (benchmark_id, name, phase, created_at)
VALUES ($1, $2, $3, coalesce($4, now()))
RETURNING id, benchmark_id, name, phase, created_at
