-- Makes the partitions of the coming days, and says how many.
SELECT make_partitions($1::bigint * interval '1 hour')
