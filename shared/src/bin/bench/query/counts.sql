-- Counts what the nodes sent from $1 on, as the migration does that makes log_counts, but in the order in which it would have been
-- counted.
INSERT INTO log_counts AS known (node_id, audit, partition_start, msg, quantity)
SELECT log.node_id, log.audit, CASE upper_bound WHEN 'infinity' THEN upper_bound ELSE lower_bound END, left(log.msg, 256), count(*)
FROM log_rows AS log
JOIN log_partitions() AS part ON part.partition = log.tableoid
WHERE log.node_id IN (SELECT id FROM material.peer WHERE is_node) AND created_at >= $1
GROUP BY 1, 2, 3, 4
ORDER BY 3, 1, 2, 4
ON CONFLICT (node_id, audit, partition_start, msg) DO UPDATE SET quantity = known.quantity + excluded.quantity
