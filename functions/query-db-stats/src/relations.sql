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
    SELECT root, pg_table_size(part.oid) AS bytes, pg_indexes_size(part.oid) AS index_bytes,
           -- What has partitions may have been counted as well, as a whole.
           CASE WHEN relkind = 'r' THEN greatest(reltuples, 0) ELSE 0 END AS rows, times, cardinality(times) AS samples
    FROM part
    JOIN pg_class ON pg_class.oid = part.oid
    LEFT JOIN sampled_times() ON relation = part.oid
), named AS (
    SELECT CASE WHEN relname IN ('log_rows', 'log_slices') THEN 'tetcore_logs' ELSE relname::text END AS relation,
           relkind IN ('r', 'p') AS is_table,
           relname = 'log_slices' AS is_packed,
           sized.*
    FROM sized
    JOIN pg_class ON pg_class.oid = root
), growing AS (
    -- By the newest of ten parts of the newest partition whose rows are of the past: wild clocks have others.
    SELECT DISTINCT ON (relation)
           relation,
           (bytes + index_bytes) * 10.0 / (samples - 1) / extract(epoch FROM times[samples] - times[samples - 10]) * 86400 AS bytes_per_day
    FROM named
    WHERE NOT is_packed AND samples > 10 AND times[samples] > times[samples - 10] AND times[samples - 10] <= now()
    ORDER BY relation, times[samples - 10] DESC
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
       min(times[1]) AS oldest,
       max(times[samples]) AS newest,
       max(bytes_per_day)::bigint AS growth_per_day
FROM named
LEFT JOIN growing USING (relation)
CROSS JOIN packed
GROUP BY relation, is_table
HAVING sum(bytes) IS NOT NULL
ORDER BY bytes DESC, relation
