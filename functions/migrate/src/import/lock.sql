-- Lets one import at a time work on this schema; the lock ends with the session.
SELECT pg_advisory_lock(hashtextextended('migrate import ' || current_schema(), 0))
