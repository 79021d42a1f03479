-- Where what is derived differs from what a scan of tetcore_logs says: no rows, or the law is broken.
WITH place AS (
    SELECT partition, audit, lower_bound, upper_bound,
           CASE upper_bound WHEN 'infinity' THEN upper_bound ELSE lower_bound END AS partition_start
    FROM log_partitions()
), scanned AS (
    SELECT node_id, audit, partition_start, left(msg, 256) AS msg, count(*) AS quantity
    FROM (
        SELECT node_id, log.audit, partition_start, msg
        FROM log_rows AS log
        JOIN place ON place.partition = log.tableoid
        WHERE node_id IS NOT NULL
        UNION ALL
        SELECT node_id, slice.audit, partition_start, unnest(msgs)
        FROM log_slices AS slice
        JOIN place ON place.audit = slice.audit AND since >= lower_bound AND until < upper_bound
    ) AS messages
    GROUP BY 1, 2, 3, 4
), counted AS (
    SELECT node_id, audit, partition_start, msg, sum(quantity) AS quantity
    FROM (
        TABLE log_counts
        UNION ALL
        SELECT note.node_id, noted.audit, partition_start, note.msg, note.quantity
        FROM log_count_notes AS noted
        CROSS JOIN unnest(node_ids, msgs, quantities) AS note (node_id, msg, quantity)
        JOIN place ON place.audit = noted.audit AND hour >= lower_bound AND (hour < upper_bound OR upper_bound = 'infinity')
    ) AS parts
    GROUP BY 1, 2, 3, 4
    HAVING sum(quantity) <> 0
), answered AS (
    SELECT node_id, answer.*
    FROM (SELECT DISTINCT node_id FROM scanned UNION SELECT node_id FROM counted) AS node
    CROSS JOIN node_log_counts(node_id) AS answer
), state AS (
    SELECT node_id, audit, created_at, report.*, rank() OVER (PARTITION BY node_id, audit ORDER BY created_at DESC)
    FROM tetcore_logs
    CROSS JOIN read_reputations(logs) AS report
    WHERE node_id IS NOT NULL AND msg = 'system.network_state'
), newest AS (
    SELECT node_id, audit, created_at, remote_ids, remote_peers, reputations, connected FROM state WHERE rank = 1
)
SELECT 'not counted: ' || row FROM (TABLE scanned EXCEPT TABLE counted) AS row
UNION ALL
SELECT 'counted, but not there: ' || row FROM (TABLE counted EXCEPT TABLE scanned) AS row
UNION ALL
SELECT 'counted as 0: ' || row FROM log_counts AS row WHERE quantity = 0
UNION ALL
SELECT 'not answered: ' || row
FROM (SELECT node_id, msg, sum(quantity) FROM scanned GROUP BY 1, 2 EXCEPT TABLE answered) AS row
UNION ALL
SELECT 'answered, but not there: ' || row
FROM (TABLE answered EXCEPT SELECT node_id, msg, sum(quantity) FROM scanned GROUP BY 1, 2) AS row
UNION ALL
SELECT 'reported, but not there: ' || row FROM (TABLE reputation_reports EXCEPT TABLE newest) AS row
UNION ALL
SELECT 'not reported: ' || row
FROM (SELECT node_id, audit FROM newest EXCEPT SELECT node_id, audit FROM reputation_reports) AS row
UNION ALL
SELECT 'target not noted: ' || row
FROM (
    SELECT audit, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, left(msg, 256),
           CASE jsonb_typeof(logs -> 'target') WHEN 'string' THEN left(logs ->> 'target', 256) END
    FROM tetcore_logs
    WHERE logs ? 'target'
    EXCEPT
    TABLE log_targets
) AS row
