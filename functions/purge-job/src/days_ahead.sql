-- For how many whole days from now there are partitions.
SELECT floor(extract(epoch FROM min(lower_bound) - now()) / 86400)::bigint FROM log_partitions() WHERE upper_bound = 'infinity'
