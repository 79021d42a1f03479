-- Remembers the ids of batches, and names those that were not known yet: only their rows are to be stored.
-- In the order of ids, so that flushers that hold the same ones wait for each other instead of deadlocking.
INSERT INTO ingest_batches (id, messages)
SELECT id, messages
FROM unnest($1::uuid[], $2::integer[]) AS batch (id, messages)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
