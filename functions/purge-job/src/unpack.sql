-- Moves the messages of slices back into rows of their partition, where single ones can be removed.
WITH moved AS (DELETE FROM {slices} RETURNING *)
INSERT INTO {partition} (id, created_at, peer_connection_id, node_id, audit, msg, logs)
SELECT log.id, created_at, peer_connection_id, node_id, audit, msg, log.logs
FROM moved
CROSS JOIN LATERAL unnest(ids, times, peer_connection_ids, msgs, moved.logs) AS log (id, created_at, peer_connection_id, msg, logs)
