-- The transactions of others that go on in this database.
SELECT coalesce(array_agg(virtualxid), '{}')
FROM pg_locks
JOIN pg_stat_activity AS session USING (pid)
WHERE locktype = 'virtualxid' AND granted AND datname = current_database() AND pid <> pg_backend_pid()
