-- Counts the rows of fill.sql as batch-flush would have: the sequence made their ids, which are smaller than those of ws-ingest.
INSERT INTO log_counts AS known (node_id, audit, partition_start, msg, quantity)
SELECT log.node_id, log.audit, CASE upper_bound WHEN 'infinity' THEN upper_bound ELSE lower_bound END, left(log.msg, 256), count(*)
FROM log_rows AS log
JOIN log_partitions() AS part ON part.partition = log.tableoid
WHERE log.node_id IS NOT NULL AND id <= (SELECT last_value FROM tetcore_logs_id_seq)
GROUP BY 1, 2, 3, 4
ON CONFLICT (node_id, audit, partition_start, msg) DO UPDATE SET quantity = known.quantity + excluded.quantity
