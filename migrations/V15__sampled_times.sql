-- How old the rows of each table are, as far as PostgreSQL has sampled them: readers may read partitions through their root alone, and
-- so are not told of their statistics.

-- The function below takes over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION sampled_times()
RETURNS TABLE (relation oid, oldest timestamptz, newest timestamptz, late timestamptz, later_part double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT SET jit = off
AS $$
    -- As text, of which few are turned into times: that takes longest.
    WITH sampled AS MATERIALIZED (
        SELECT attrelid, histogram_bounds::text::text[] AS times
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = current_schema()::regnamespace AND relkind = 'r'
        JOIN pg_stats ON schemaname = current_schema() AND tablename = relname AND pg_stats.attname = pg_attribute.attname AND NOT inherited
        WHERE pg_attribute.attname IN ('created_at', 'since')
          AND atttypid = 'timestamptz'::regtype
          AND histogram_bounds IS NOT NULL
    )
    SELECT attrelid, times[1]::timestamptz, times[cardinality(times)]::timestamptz, times[cardinality(times) - 10]::timestamptz,
           10.0 / (cardinality(times) - 1)
    FROM sampled
$$;

COMMENT ON FUNCTION sampled_times() IS
    'Of each table without partitions, and each partition, the oldest and the newest created_at as last sampled (ANALYZE), and a late one with the part of the rows that is later. For log_slices, of since.';

REVOKE EXECUTE ON FUNCTION sampled_times() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sampled_times() TO tetcore_query;
