-- The bytes of a partition and, if it has some, of its slices, with their indexes.
SELECT pg_total_relation_size('{partition}') + coalesce(pg_total_relation_size(to_regclass('{slices}')), 0)
