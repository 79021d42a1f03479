-- In which spans of time messages of a node are, and at most how many: from "since", included, to "until", not included; null for
-- no end.
-- $1: its key, $2: types, null for all.
SELECT nullif(since, '-infinity') AS since, nullif(until, 'infinity') AS until, quantity::bigint AS quantity
FROM (
    -- A partition ends at the next one in which the node has a message of any type, or before.
    SELECT partition_start, coalesce(lead(partition_start) OVER (PARTITION BY audit ORDER BY partition_start), 'infinity'), quantity
    FROM (
        SELECT audit, partition_start, sum(quantity) FILTER (WHERE $2::text[] IS NULL OR msg = ANY($2)) AS quantity
        FROM log_counts
        WHERE node_id = $1 AND partition_start < 'infinity'
        GROUP BY audit, partition_start
    ) AS counted
    UNION ALL
    -- Where the partition of the future begins is not known here.
    SELECT '-infinity', 'infinity', sum(quantity)
    FROM log_counts
    WHERE node_id = $1 AND partition_start = 'infinity' AND ($2 IS NULL OR msg = ANY($2))
    UNION ALL
    SELECT hour, hour + interval '1 hour', sum(note.quantity)
    FROM log_count_notes
    CROSS JOIN unnest(node_ids, msgs, quantities) AS note (node_id, msg, quantity)
    WHERE shard = log_count_shard($1) AND note.node_id = $1 AND ($2 IS NULL OR msg = ANY($2))
    GROUP BY hour
) AS span (since, until, quantity)
WHERE quantity > 0
