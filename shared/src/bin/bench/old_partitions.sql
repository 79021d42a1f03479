-- Makes a function: as if there had been partitions of this width for so long, cuts them off the catch-all of the past, which
-- must be empty.
CREATE FUNCTION pg_temp.make_old_partitions(width interval, number integer) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    first timestamptz := (SELECT min(upper_bound) FROM log_partitions() WHERE NOT audit);
BEGIN
    DROP TABLE tetcore_logs_expiring_past;
    FOR age IN 1..number LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF tetcore_logs_expiring FOR VALUES FROM (%L) TO (%L)',
                       'tetcore_logs_expiring' || to_char(first - age * width, '_YYYYMMDD_HH24'),
                       first - age * width, first - (age - 1) * width);
    END LOOP;
    EXECUTE format('CREATE TABLE tetcore_logs_expiring_past PARTITION OF tetcore_logs_expiring FOR VALUES FROM (MINVALUE) TO (%L)',
                   first - number * width);
END
$$
