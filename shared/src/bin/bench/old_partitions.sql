-- As if there had been hourly partitions for 50 hours: cuts them off the catch-all of the past, which must be empty.
DO $$
DECLARE
    first timestamptz := (SELECT min(upper_bound) FROM log_partitions() WHERE NOT audit);
BEGIN
    DROP TABLE tetcore_logs_expiring_past;
    FOR age IN 1..50 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF tetcore_logs_expiring FOR VALUES FROM (%L) TO (%L)',
                       'tetcore_logs_expiring' || to_char(first - age * interval '1 hour', '_YYYYMMDD_HH24'),
                       first - age * interval '1 hour', first - (age - 1) * interval '1 hour');
    END LOOP;
    EXECUTE format('CREATE TABLE tetcore_logs_expiring_past PARTITION OF tetcore_logs_expiring FOR VALUES FROM (MINVALUE) TO (%L)',
                   first - interval '50 hours');
END
$$;
