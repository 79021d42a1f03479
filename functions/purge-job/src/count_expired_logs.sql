-- How many messages are older than a time.
SELECT count(*) FROM tetcore_logs WHERE NOT audit AND created_at < $1
