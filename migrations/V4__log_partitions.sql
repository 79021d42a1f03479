-- The functions that know and make the partitions of tetcore_logs.

-- The functions below take over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- UTC and ISO, since bounds are read from their printed form. pg_inherits rather than pg_partition_tree(), which would lock
-- every partition until the end of the transaction.
CREATE FUNCTION log_partitions()
RETURNS TABLE (partition regclass, audit boolean, lower_bound timestamptz, upper_bound timestamptz)
LANGUAGE sql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
    SELECT leaf.oid::regclass,
           inhparent = 'tetcore_logs_audit'::regclass,
           CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim('''' FROM bound[1]) END::timestamptz,
           CASE bound[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim('''' FROM bound[2]) END::timestamptz
    FROM pg_inherits
    JOIN pg_class AS leaf ON leaf.oid = inhrelid
    CROSS JOIN regexp_match(pg_get_expr(relpartbound, leaf.oid), 'FROM \((.*)\) TO \((.*)\)') AS bound
    WHERE inhparent IN ('tetcore_logs_expiring'::regclass, 'tetcore_logs_audit'::regclass)
$$;

COMMENT ON FUNCTION log_partitions() IS
    'The partitions that hold the rows of tetcore_logs, with their range of created_at (upper bound excluded).';

CREATE FUNCTION make_partitions(expiry interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
    ahead CONSTANT interval := '8 days';
    origin CONSTANT timestamptz := '2000-01-01 00:00+00';
    -- The narrowest that keeps the number of partitions within some 400.
    expiring_width CONSTANT interval := coalesce(
        (SELECT min(width)
         FROM unnest('{1h,3h,6h,12h,1d,2d,4d,7d,14d,30d}'::interval[]) AS width
         WHERE expiry + ahead <= width * 400),
        '30 days');
    made integer := 0;
    parent text;
    future text;
    width interval;
    expired_until timestamptz;
    lower_bound timestamptz;
    upper_bound timestamptz;
BEGIN
    IF (SELECT min(p.lower_bound) FROM log_partitions() AS p WHERE p.upper_bound = 'infinity') >= now() + ahead THEN
        RETURN 0;
    END IF;

    PERFORM pg_advisory_xact_lock(hashtextextended('make_partitions ' || current_schema(), 0));
    -- Everyone locks the root before its parts: holding it, no lock below can be waited for, nor a deadlock arise.
    LOCK TABLE ONLY tetcore_logs IN ACCESS EXCLUSIVE MODE;

    FOR parent, width, expired_until IN
        VALUES ('tetcore_logs_expiring', expiring_width, now() - expiry),
               ('tetcore_logs_audit', interval '30 days', timestamptz '-infinity')
    LOOP
        future := parent || '_future';
        SELECT p.lower_bound INTO STRICT lower_bound FROM log_partitions() AS p WHERE p.partition = future::regclass;
        CONTINUE WHEN lower_bound >= now() + ahead;

        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, future);
        WHILE lower_bound < now() + ahead LOOP
            -- After a long stop, what has expired meanwhile is one partition, whatever its width.
            upper_bound := greatest(date_bin(width, lower_bound, origin) + width, date_bin(width, expired_until, origin));
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || to_char(lower_bound, '_YYYYMMDD_HH24'), parent, lower_bound, upper_bound);
            lower_bound := upper_bound;
            made := made + 1;
        END LOOP;
        EXECUTE format('WITH moved AS (DELETE FROM %I WHERE created_at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
                       future, lower_bound, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (MAXVALUE)', parent, future, lower_bound);
    END LOOP;
    RETURN made;
END
$$;

COMMENT ON FUNCTION make_partitions(interval) IS
    'Makes the partitions of tetcore_logs for at least 8 days ahead, as wide as the expiry (LOG_EXPIRY_H) asks for, and returns how many it made. '
    'Waits for everyone who is using tetcore_logs: set lock_timeout.';

REVOKE EXECUTE ON FUNCTION log_partitions(), make_partitions(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_partitions() TO tetcore_flush, tetcore_query;
GRANT EXECUTE ON FUNCTION make_partitions(interval) TO tetcore_flush;
