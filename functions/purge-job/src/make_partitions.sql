-- Makes the partitions of the coming days, and says how many.
SELECT make_partitions(make_interval(hours => $1))
