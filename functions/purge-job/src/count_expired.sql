-- How many rows of a table are older than a time.
SELECT count(*) FROM {table} WHERE created_at < $1
