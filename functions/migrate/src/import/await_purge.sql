-- Waits for a purge of this schema to end, and lets none begin before the end of this transaction.
SELECT pg_advisory_xact_lock(hashtextextended('purge-job ' || current_schema(), 0))
