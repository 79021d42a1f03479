-- The databases that were imported before, the last one at the end.
SELECT DISTINCT database_number, source FROM imports ORDER BY database_number
