-- Makes the partition for the slices of a partition's messages, and has tetcore_logs show it. Whoever reads locks the view first.
BEGIN;
SET LOCAL lock_timeout = '200ms';
CREATE TABLE {slices} PARTITION OF {parent} FOR VALUES FROM ('{lower_bound}') TO ('{upper_bound}');
-- Nobody asks for these by their values, and to sample them would mean to unpack them.
ALTER TABLE {slices} ALTER ids SET STATISTICS 0, ALTER times SET STATISTICS 0, ALTER peer_connection_ids SET STATISTICS 0,
    ALTER msgs SET STATISTICS 0, ALTER logs SET STATISTICS 0;
SELECT renew_log_view();
COMMIT
