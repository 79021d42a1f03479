-- Drops a partition for slices that is empty by now. Whoever reads locks the view first.
BEGIN;
SET LOCAL lock_timeout = '200ms';
SELECT renew_log_view('{{slices}}');
DROP TABLE {slices};
COMMIT
