-- The size of each table and each index.
SELECT relname, pg_size_pretty(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'v0_1_4'::regnamespace AND relkind IN ('r', 'i')
