-- An event needs its benchmark.
WITH inserted AS (
    INSERT INTO benchmark_events (id, benchmark_id, name, phase, created_at)
    SELECT new_ids.id, benchmark.id, coalesce(name, ''), coalesce(phase, ''), coalesce(staged.created_at, benchmark.created_at)
    FROM staged_benchmark_events AS staged
    JOIN new_ids ON old_id = staged.id
    JOIN imports AS runs ON runs.database_number = {number} AND runs.table_name = 'benchmarks'
    JOIN benchmarks AS benchmark ON benchmark.id = coalesce((runs.renumbered ->> benchmark_id::text)::bigint, benchmark_id)
    RETURNING true
)
UPDATE imports
SET stored = stored + (SELECT count(*) FROM inserted),
    incomplete = incomplete + (SELECT count(*) FROM new_ids) - (SELECT count(*) FROM inserted)
WHERE database_number = {number} AND table_name = '{table}';
