-- Drops the oldest partitions with their slices and with what was derived from their messages, and stretches the catch-all of the past
-- over their time, so that a row that comes late still has a place.
BEGIN;
-- Only vacuum is in the way of this lock, and autovacuum yields to whoever waits for a second; readers and writers go on.
SET LOCAL lock_timeout = '10s';
LOCK TABLE {partitions} IN SHARE UPDATE EXCLUSIVE MODE;
-- Everyone locks the view first, then the root, then its parts: holding them, no lock below can be waited for, nor a deadlock arise.
SET LOCAL lock_timeout = '200ms';
{renew_view}
LOCK TABLE ONLY log_rows IN ACCESS EXCLUSIVE MODE;
-- Notes name hours: while each still has its partition, those that came since the last time are added up.
SELECT fold_log_counts();
DELETE FROM log_counts WHERE NOT audit AND partition_start < '{upper_bound}';
DELETE FROM reputation_reports WHERE NOT audit AND reported_at < '{upper_bound}';
DROP TABLE {dropped};
CREATE TABLE tetcore_logs_expiring_past PARTITION OF tetcore_logs_expiring FOR VALUES FROM (MINVALUE) TO ('{upper_bound}');
COMMIT
