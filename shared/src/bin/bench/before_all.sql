-- The time from the beginning of the present partition to the first row.
SELECT lower_bound, (SELECT min(created_at) FROM tetcore_logs WHERE created_at >= lower_bound)
FROM log_partitions()
WHERE NOT audit AND lower_bound <= now() AND upper_bound > now()
