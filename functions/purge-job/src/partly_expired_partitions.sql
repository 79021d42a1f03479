-- The partition that the horizon runs through, and the catch-all of the past, where rows come to that had expired before.
SELECT partition::text
FROM log_partitions()
WHERE NOT audit AND lower_bound < $1 AND (upper_bound > $1 OR lower_bound = '-infinity')
