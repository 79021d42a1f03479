-- Makes the partitions for the next days, so that a fresh database can take rows at once.
SELECT make_partitions($1::bigint * interval '1 hour')
