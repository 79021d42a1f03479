-- Of both forms. A machine that is not there leaves a benchmark without one.
WITH inserted AS (
    INSERT INTO benchmarks (
        id, setup, benchmark_spec, chain_spec, description, host_system_id, ts_start, ts_end, created_at
    )
    SELECT new_ids.id, setup, benchmark_spec, chain_spec, staged.description, host_system.id, ts_start, ts_end,
           coalesce(created_at, ts_start, now())
    FROM staged_benchmarks AS staged
    JOIN new_ids ON old_id = staged.id
    LEFT JOIN imports AS machines ON machines.database_number = {number} AND machines.table_name = 'host_systems'
    LEFT JOIN host_systems AS host_system
        ON host_system.id = coalesce((renumbered ->> host_system_id::text)::bigint, host_system_id)
    RETURNING true
)
UPDATE imports SET stored = stored + (SELECT count(*) FROM inserted)
WHERE database_number = {number} AND table_name = '{table}';
