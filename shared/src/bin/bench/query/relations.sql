-- How many tables and indexes there are, partitions aside.
SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND NOT relispartition
