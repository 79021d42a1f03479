-- The size of each table and each index of this schema in bytes, the largest first, and of a table its rows, indexes, age and growth.
-- Partitions count with what they are part of, and what is behind the view tetcore_logs with that. What is dropped meanwhile has no
-- size, and is left out.
WITH RECURSIVE part (root, oid) AS (
    SELECT oid, oid
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND NOT relispartition
    UNION ALL
    SELECT root, inhrelid
    FROM part
    JOIN pg_inherits ON inhparent = part.oid
), sized AS (
    SELECT root, part.oid, pg_table_size(part.oid) AS bytes,
           -- What has partitions may have been counted as well, as a whole.
           CASE WHEN relkind = 'r' THEN greatest(reltuples, 0) ELSE 0 END AS rows, oldest, newest, late, later_part
    FROM part
    JOIN pg_class ON pg_class.oid = part.oid
    LEFT JOIN sampled_times() ON relation = part.oid
), indexed AS (
    SELECT indrelid AS oid, sum(bytes) AS index_bytes
    FROM sized
    JOIN pg_index ON indexrelid = sized.oid
    GROUP BY indrelid
), named AS (
    SELECT CASE WHEN relname IN ('log_rows', 'log_slices') THEN 'tetcore_logs' ELSE relname::text END AS relation,
           relkind IN ('r', 'p') AS is_table,
           relname = 'log_slices' AS is_packed,
           coalesce(index_bytes, 0) AS index_bytes,
           sized.*
    FROM sized
    JOIN pg_class ON pg_class.oid = root
    LEFT JOIN indexed ON indexed.oid = sized.oid
), growing AS (
    -- By the newest rows of the newest partition that is of the past: wild clocks have others.
    SELECT DISTINCT ON (relation)
           relation, (bytes + index_bytes) * later_part / extract(epoch FROM newest - late)::float8 * 86400 AS bytes_per_day
    FROM named
    WHERE NOT is_packed AND late < newest AND late <= now()
    ORDER BY relation, late DESC
), packed AS (
    SELECT coalesce(avg(quantity), 0) AS messages FROM (SELECT quantity FROM log_slices LIMIT 1000) AS sample
)
SELECT relation,
       pg_size_pretty(sum(bytes)) AS size,
       sum(bytes)::bigint AS bytes,
       CASE WHEN is_table THEN 'table' ELSE 'index' END AS kind,
       CASE WHEN is_table THEN sum(CASE WHEN is_packed THEN rows * messages ELSE rows END)::bigint END AS rows,
       CASE WHEN is_table THEN sum(index_bytes)::bigint END AS index_bytes,
       CASE WHEN is_table THEN coalesce(sum(bytes) FILTER (WHERE is_packed), 0)::bigint END AS compressed_bytes,
       min(oldest) AS oldest,
       max(newest) AS newest,
       max(bytes_per_day)::bigint AS growth_per_day
FROM named
LEFT JOIN growing USING (relation)
CROSS JOIN packed
GROUP BY relation, is_table
HAVING sum(bytes) IS NOT NULL
ORDER BY bytes DESC, relation
