-- The one partition that the horizon runs through.
SELECT partition::text FROM log_partitions() WHERE NOT audit AND lower_bound < $1 AND upper_bound > $1
