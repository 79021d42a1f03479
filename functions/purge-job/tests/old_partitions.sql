-- As if hourly partitions had been made for 40 hours: cuts them off the catch-all of the past, which must be empty, and gives
-- each of them and the catch-all 100 rows of a connection of its own.
DO $$
DECLARE
    first timestamptz := (SELECT min(upper_bound) FROM log_partitions() WHERE NOT audit);
BEGIN
    DROP TABLE tetcore_logs_expiring_past;
    FOR age IN 1..40 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF tetcore_logs_expiring FOR VALUES FROM (%L) TO (%L)',
                       'tetcore_logs_expiring' || to_char(first - age * interval '1 hour', '_YYYYMMDD_HH24'),
                       first - age * interval '1 hour', first - (age - 1) * interval '1 hour');
    END LOOP;
    EXECUTE format('CREATE TABLE tetcore_logs_expiring_past PARTITION OF tetcore_logs_expiring FOR VALUES FROM (MINVALUE) TO (%L)',
                   first - interval '40 hours');
    INSERT INTO log_rows (created_at, peer_connection_id, audit, logs)
    SELECT first - age * interval '1 hour' + row * interval '36 s', age, false, '{}'
    FROM generate_series(1, 41) AS age, generate_series(0, 99) AS row;
END
$$;
