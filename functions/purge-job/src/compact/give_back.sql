-- Gives back the room of the rows that went into slices. The few that are left are put aside meanwhile.
BEGIN;
-- Only vacuum is in the way of this lock, and autovacuum yields to whoever waits for a second; readers and writers go on.
SET LOCAL lock_timeout = '10s';
LOCK TABLE {partition} IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '200ms';
LOCK TABLE {partition} IN ACCESS EXCLUSIVE MODE;
CREATE TEMPORARY TABLE left_rows ON COMMIT DROP AS TABLE {partition};
TRUNCATE {partition};
INSERT INTO {partition} TABLE left_rows;
COMMIT
