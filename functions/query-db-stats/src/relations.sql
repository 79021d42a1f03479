-- The size of each table and each index of this schema in bytes, the largest first; partitions count with what they are part of.
-- What is dropped meanwhile has no size, and is left out.
WITH RECURSIVE part (root, oid) AS (
    SELECT oid, oid
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND NOT relispartition
    UNION ALL
    SELECT root, inhrelid
    FROM part
    JOIN pg_inherits ON inhparent = part.oid
)
SELECT relation.relname::text AS relation,
       pg_size_pretty(bytes) AS size,
       bytes,
       CASE WHEN relation.relkind IN ('r', 'p') THEN 'table' ELSE 'index' END AS kind,
       CASE WHEN relation.relkind IN ('r', 'p') THEN rows END AS rows
FROM (
    SELECT root,
           sum(pg_table_size(part.oid))::bigint AS bytes,
           -- What has partitions may have been counted as well, as a whole.
           coalesce(sum(reltuples) FILTER (WHERE relkind = 'r' AND reltuples > 0), 0)::bigint AS rows
    FROM part
    JOIN pg_class ON pg_class.oid = part.oid
    GROUP BY root
) AS total
JOIN pg_class AS relation ON relation.oid = root
WHERE bytes IS NOT NULL
ORDER BY bytes DESC, relation
