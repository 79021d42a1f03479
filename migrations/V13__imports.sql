-- What is taken over from databases of version 0.1.4, and the partitions of the past that its messages go to.

CREATE TABLE imports (
    database_number integer NOT NULL,
    table_name text NOT NULL,
    source text NOT NULL,
    last_id bigint NOT NULL,
    stored bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    incomplete bigint NOT NULL DEFAULT 0,
    renumbered jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (database_number, table_name),
    UNIQUE (source, table_name)
);

COMMENT ON TABLE imports IS
    'How far `migrate import` has come with each table of each database of version 0.1.4. Kept in the transactions that store, so that an import goes on exactly where it was.';
COMMENT ON COLUMN imports.database_number IS
    'Of the databases that were imported, from 0: the id of a connection is what it was plus this number times 2^32, far below those of ws-ingest.';
COMMENT ON COLUMN imports.table_name IS 'The table of version 0.1.4.';
COMMENT ON COLUMN imports.source IS
    'Which database it is in: system identifier, name and schema. Change it when that database was restored elsewhere.';
COMMENT ON COLUMN imports.last_id IS 'The greatest id that was taken over: an import goes on behind it.';
COMMENT ON COLUMN imports.stored IS 'Rows that were stored.';
COMMENT ON COLUMN imports.expired IS 'Messages that were left out, since they had expired (LOG_EXPIRY_H).';
COMMENT ON COLUMN imports.incomplete IS
    'Rows that were left out for lack of what they need: messages without their JSON or their time, events without their benchmark.';
COMMENT ON COLUMN imports.renumbered IS
    'Rows of benchmark tables whose id was somebody else''s here: their old ids and those that they have now. All others kept theirs.';
COMMENT ON COLUMN imports.updated_at IS 'When the last rows were taken over.';

-- The function below takes over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- Holds the locks of make_partitions(), widths and names are the same, and counts move with rows in the same way.
CREATE FUNCTION make_past_partitions(is_audit boolean, since timestamptz, expiry interval) RETURNS integer
LANGUAGE plpgsql STRICT
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
    origin CONSTANT timestamptz := '2000-01-01 00:00+00';
    parent CONSTANT text := CASE WHEN is_audit THEN 'tetcore_logs_audit' ELSE 'tetcore_logs_expiring' END;
    past CONSTANT text := parent || '_past';
    width CONSTANT interval := coalesce(
        (SELECT min(rung)
         FROM unnest('{1h,3h,6h,12h,1d,2d,4d,7d,14d,30d}'::interval[]) AS rung
         WHERE expiry <= rung * 100 AND NOT is_audit),
        '30 days');
    -- Whatever lies further back is the catch-all's, and so is what has expired.
    reach CONSTANT interval := CASE WHEN is_audit THEN width * 100 ELSE least(expiry, width * 100) END;
    made integer := 0;
    past_bound timestamptz;
    first_bound timestamptz;
    lower_bound timestamptz;
    upper_bound timestamptz;
    has_rows boolean;
BEGIN
    first_bound := date_bin(width, greatest(since, now() - reach), origin);
    IF first_bound >= (SELECT p.upper_bound FROM log_partitions() AS p WHERE p.partition = past::regclass) THEN
        RETURN 0;
    END IF;

    PERFORM pg_advisory_xact_lock(hashtextextended('make_partitions ' || current_schema(), 0));
    LOCK TABLE ONLY tetcore_logs IN ACCESS EXCLUSIVE MODE;
    SELECT p.upper_bound INTO STRICT past_bound FROM log_partitions() AS p WHERE p.partition = past::regclass;
    IF first_bound >= past_bound THEN
        RETURN 0;
    END IF;

    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', past) INTO has_rows;
    IF has_rows THEN
        PERFORM fold_log_counts();
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, past);
    lower_bound := first_bound;
    WHILE lower_bound < past_bound LOOP
        upper_bound := least(lower_bound + width, past_bound);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                       parent || to_char(lower_bound, '_YYYYMMDD_HH24'), parent, lower_bound, upper_bound);
        lower_bound := upper_bound;
        made := made + 1;
    END LOOP;
    EXECUTE format(
        $sql$
            WITH moved AS (DELETE FROM %I WHERE created_at >= %L RETURNING *),
                 stored AS (INSERT INTO %I SELECT * FROM moved)
            SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)),
                   note_log_rows(-1, array_agg(node_id), array_agg(audit), array_agg(timestamptz '-infinity'), array_agg(msg))
            FROM moved
        $sql$,
        past, first_bound, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', parent, past, first_bound);
    RETURN made;
END
$$;

COMMENT ON FUNCTION make_past_partitions(boolean, timestamptz, interval) IS
    'Makes partitions of tetcore_logs, of the audit part or of the one that expires, for the time from `since` on that the catch-all of the past holds, '
    'some 100 at most, and returns how many it made. Waits for everyone who is using tetcore_logs: set lock_timeout.';

REVOKE EXECUTE ON FUNCTION make_past_partitions(boolean, timestamptz, interval) FROM PUBLIC;
