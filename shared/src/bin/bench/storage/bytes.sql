-- The bytes of the partitions that begin before $1, of rows and of slices, with their indexes.
SELECT sum(pg_total_relation_size(partition))::bigint
FROM (SELECT * FROM log_partitions() UNION ALL SELECT * FROM log_slice_partitions()) AS parts
WHERE lower_bound <= $1 AND NOT audit
