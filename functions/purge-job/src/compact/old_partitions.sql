-- The partitions whose messages are to be in slices: all older than $1 hours, but for those that expire in part before others of
-- theirs do: $2 hours. Name and bounds, the partition for the slices, whether that is there and has some, pages, and whether they are
-- audit messages.
-- The newest first.
SELECT part.partition::text, part.lower_bound::text, part.upper_bound::text, named.slices,
       to_regclass(named.slices) IS NOT NULL, coalesce(pg_relation_size(to_regclass(named.slices)) > 0, false),
       pg_relation_size(part.partition) / current_setting('block_size')::bigint, part.audit
FROM log_partitions() AS part
CROSS JOIN LATERAL (SELECT replace(part.partition::text, 'tetcore_logs_', 'log_slices_')) AS named (slices)
WHERE part.lower_bound > '-infinity'
  AND part.upper_bound <= now() - $1::bigint * interval '1 hour'
  AND (part.audit OR part.lower_bound >= now() - $2::bigint * interval '1 hour')
  AND pg_relation_size(part.partition) > 0
ORDER BY part.upper_bound DESC
