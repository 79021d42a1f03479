-- Ends the lock of lock.sql: whoever has waited for it longest gets it.
SELECT pg_advisory_unlock(hashtextextended('purge-job ' || current_schema(), 0))
