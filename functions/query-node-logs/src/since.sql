-- From which moment on a node has sent enough messages, so that only the partitions behind it are looked at, and whether that is
-- all of them; no row if it has sent none.
-- $1: its key, $2: msg, null for all, $3: up to which moment, $4: how many messages.
--
-- What is in the newest partition does not count, since some of it may be later than that moment.
WITH counted AS (
    SELECT start, sum(quantity) AS quantity
    FROM (
        -- Where the partition of the future begins is not known here: if it matters, all are looked at.
        SELECT CASE partition_start WHEN 'infinity' THEN '-infinity' ELSE partition_start END, quantity
        FROM log_counts
        WHERE node_id = $1
          AND ($2::text IS NULL OR msg = left($2, 256))
          AND (partition_start <= $3::timestamptz OR partition_start = 'infinity' AND $3 > now())
        UNION ALL
        SELECT hour, note.quantity
        FROM log_count_notes
        CROSS JOIN unnest(node_ids, msgs, quantities) AS note (node_id, msg, quantity)
        WHERE shard = log_count_shard($1) AND note.node_id = $1 AND ($2 IS NULL OR msg = left($2, 256)) AND hour <= $3
    ) AS part (start, quantity)
    GROUP BY start
), so_far AS (
    SELECT start, sum(quantity) OVER newest_first - first_value(quantity) OVER newest_first >= $4::bigint AS is_enough
    FROM counted
    WINDOW newest_first AS (ORDER BY start DESC)
)
SELECT nullif(coalesce(max(start) FILTER (WHERE is_enough), min(start)), '-infinity') AS since,
       NOT bool_or(is_enough) AS is_all
FROM so_far
HAVING count(*) > 0
