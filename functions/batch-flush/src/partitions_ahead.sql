-- For how many seconds from now there are partitions.
SELECT extract(epoch FROM min(lower_bound) - now())::bigint FROM log_partitions() WHERE upper_bound = 'infinity'
