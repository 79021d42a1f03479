-- Counts the rows of fill.sql and notes their targets as batch-flush would have: the sequence made their ids, which are smaller than
-- those of ws-ingest.
INSERT INTO log_counts AS known (node_id, audit, partition_start, msg, quantity)
SELECT log.node_id, log.audit, lower_bound, left(log.msg, 256), count(*)
FROM log_rows AS log
JOIN log_partitions() AS part ON part.partition = log.tableoid
WHERE log.node_id IS NOT NULL AND id <= (SELECT last_value FROM tetcore_logs_id_seq)
GROUP BY 1, 2, 3, 4
ON CONFLICT (node_id, audit, partition_start, msg) DO UPDATE SET quantity = known.quantity + excluded.quantity;
SELECT note_log_targets(array_agg(audit), array_agg(created_at), array_agg(msg), array_agg(target))
FROM (
    SELECT DISTINCT audit, date_trunc('month', created_at, 'UTC') AS created_at, msg, logs ->> 'target' AS target
    FROM log_rows
    WHERE logs ? 'target'
) AS known
