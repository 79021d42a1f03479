-- Leaves only the catch-alls of the past and the future, which meet at the beginning of this hour; keeps all rows.
CREATE TEMP TABLE kept AS SELECT * FROM tetcore_logs;
DO $$
DECLARE
    part text;
    partitions text;
    bound timestamptz := date_bin('1 hour', now(), '2000-01-01 00:00+00');
BEGIN
    SELECT string_agg(partition::text, ', ') INTO partitions FROM log_partitions();
    EXECUTE format('DROP TABLE %s', partitions);
    FOREACH part IN ARRAY ARRAY['tetcore_logs_expiring', 'tetcore_logs_audit'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L)', part || '_past', part, bound);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (MAXVALUE)', part || '_future', part, bound);
    END LOOP;
END
$$;
INSERT INTO log_rows SELECT * FROM kept;
DROP TABLE kept;
