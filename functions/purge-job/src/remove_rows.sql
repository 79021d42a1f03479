-- Removes the rows from the place $1, included, to the place $2 that are older than $3, and notes that for log_counts. How many rows,
-- and of which nodes there were network states.
WITH removed AS (
    DELETE FROM {table} WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND created_at < $3
    RETURNING node_id, audit, created_at, msg
)
SELECT count(*),
       coalesce(array_agg(DISTINCT node_id) FILTER (WHERE msg = 'system.network_state' AND node_id IS NOT NULL), '{}'),
       note_log_rows(-1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg))
FROM removed
