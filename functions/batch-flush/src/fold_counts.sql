-- Adds up what was noted of counts.
SELECT fold_log_counts()
