-- Whether a partition is still there, and its slices are.
SELECT to_regclass('{partition}') IS NOT NULL, to_regclass('{slices}') IS NOT NULL
