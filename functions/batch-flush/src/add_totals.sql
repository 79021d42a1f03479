-- Counts what this transaction stores ($2) and refuses ($3) under the flusher's slot ($1).
UPDATE ingest_totals SET stored = stored + $2, rejected = rejected + $3 WHERE worker = $1
