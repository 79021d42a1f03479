-- Removes the oldest rows of a table that are older than a time, so many at most.
DELETE FROM {table}
WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE created_at < $1 ORDER BY created_at LIMIT $2))
