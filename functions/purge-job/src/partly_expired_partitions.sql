-- The partition that the horizon runs through, and the catch-all of the past, where rows come to that had expired before; each with
-- its slices if it has some.
SELECT part.partition::text, packed.partition::text
FROM log_partitions() AS part
LEFT JOIN log_slice_partitions() AS packed ON packed.audit = part.audit AND packed.lower_bound = part.lower_bound
WHERE NOT part.audit AND part.lower_bound < $1 AND (part.upper_bound > $1 OR part.lower_bound = '-infinity')
