-- How many tables and indexes there are, partitions aside; log_slices counts with log_rows.
SELECT count(*)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND NOT relispartition AND relname <> 'log_slices'
