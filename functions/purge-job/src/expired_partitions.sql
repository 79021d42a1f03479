-- The partitions whose rows have all expired, the oldest first: name, end, bytes, how many messages were counted in it, and whether
-- it is the catch-all of the past.
SELECT partition::text, upper_bound::text, pg_relation_size(partition),
       (SELECT coalesce(sum(quantity), 0)::bigint FROM log_counts WHERE NOT audit AND partition_start = lower_bound),
       lower_bound = '-infinity'
FROM log_partitions()
WHERE NOT audit AND upper_bound <= $1
ORDER BY lower_bound
