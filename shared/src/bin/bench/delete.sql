-- What a purge without partitions would do, undone, so that the purge finds the same rows.
BEGIN;
DELETE FROM log_rows WHERE NOT audit AND created_at < now() - interval '24 hours';
ROLLBACK;
