-- Moves the rows of a partition from the place $1, included, to the place $2 into slices, in the order of time, of at most $3 messages
-- and $4 bytes. How many messages. A row is in one of them for whoever looks: no lock but on the rows, which nobody changes any more,
-- since their node is known.
--
-- What is alike stands together within a slice.
WITH moved AS (
    DELETE FROM {partition} WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND node_id IS NOT NULL
    RETURNING id, created_at, peer_connection_id, node_id, audit, msg, logs
), numbered AS (
    SELECT *, (row_number() OVER in_time - 1) / $3::bigint AS full_slices, sum(pg_column_size(logs)) OVER in_time / $4::bigint AS full_sizes
    FROM moved
    WINDOW in_time AS (PARTITION BY node_id ORDER BY created_at, id)
), sorted AS (
    SELECT * FROM numbered ORDER BY node_id, full_slices, full_sizes, msg, created_at, id
), stored AS (
    INSERT INTO {slices} (node_id, audit, since, until, quantity, types, targets, ids, times, peer_connection_ids, msgs, logs)
    SELECT node_id, audit, min(created_at), max(created_at), count(*),
           coalesce(array_agg(DISTINCT left(msg, 256)) FILTER (WHERE msg IS NOT NULL), '{}'),
           coalesce(array_agg(DISTINCT left(logs ->> 'target', 256)) FILTER (WHERE logs ->> 'target' IS NOT NULL), '{}'),
           array_agg(id), array_agg(created_at), array_agg(peer_connection_id), array_agg(msg), array_agg(logs)
    FROM sorted
    GROUP BY node_id, audit, full_slices, full_sizes
    RETURNING quantity
)
SELECT coalesce(sum(quantity), 0)::bigint FROM stored
