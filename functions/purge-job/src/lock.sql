-- Lets one purge or compaction at a time work on this schema; the lock ends with the session.
SELECT pg_advisory_lock(hashtextextended('purge-job ' || current_schema(), 0))
