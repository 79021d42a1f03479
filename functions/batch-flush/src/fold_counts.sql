-- Adds up what was noted in one shard ($1).
SELECT fold_log_counts($1)
