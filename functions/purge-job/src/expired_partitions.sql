-- The partitions whose rows have all expired, the oldest first: name, end, bytes, how many messages were counted in it, whether it is
-- the catch-all of the past, and its slices if it has some.
SELECT part.partition::text, part.upper_bound::text, pg_relation_size(part.partition),
       (SELECT coalesce(sum(quantity), 0)::bigint FROM log_counts WHERE NOT audit AND partition_start = part.lower_bound),
       part.lower_bound = '-infinity', packed.partition::text
FROM log_partitions() AS part
LEFT JOIN log_slice_partitions() AS packed ON packed.audit = part.audit AND packed.lower_bound = part.lower_bound
WHERE NOT part.audit AND part.upper_bound <= $1
ORDER BY part.lower_bound
