-- The partitions whose rows have all expired, the oldest first: name, end, bytes, estimated rows (-1: never counted), and
-- whether it is the catch-all of the past.
SELECT partition::text, upper_bound::text, pg_relation_size(partition), reltuples::bigint, lower_bound = '-infinity'
FROM log_partitions()
JOIN pg_class ON pg_class.oid = partition
WHERE NOT audit AND upper_bound <= $1
ORDER BY lower_bound
