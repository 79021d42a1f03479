-- What a purge without partitions would do, undone, so that the purge finds the same rows.
BEGIN;
DELETE FROM tetcore_logs WHERE NOT audit AND created_at < now() - interval '24 hours';
ROLLBACK;
