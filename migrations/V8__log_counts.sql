-- How many messages of each type each node has sent: at any moment what a count over tetcore_logs would say.
--
-- Whoever stores, completes or removes rows notes the difference in the same transaction. Notes are only ever appended, so
-- that nobody waits for anybody; fold_log_counts() adds them up. A count is what was added up and what was noted since.

CREATE TABLE log_count_notes (
    shard smallint NOT NULL,
    audit boolean NOT NULL,
    hour timestamptz NOT NULL,
    node_ids bigint[] COMPRESSION lz4 NOT NULL,
    msgs text[] COMPRESSION lz4 NOT NULL,
    quantities integer[] COMPRESSION lz4 NOT NULL
);

-- Inline: a note lives for a minute.
ALTER TABLE log_count_notes SET (toast_tuple_target = 8160);
-- A reader of one node's counts reads only the notes of its shard.
CREATE INDEX log_count_notes_shard ON log_count_notes (shard);

COMMENT ON TABLE log_count_notes IS 'Differences that log_counts does not hold yet: node_ids, msgs and quantities side by side. Folded about once a minute.';
COMMENT ON COLUMN log_count_notes.shard IS 'log_count_shard() of each of the nodes.';
COMMENT ON COLUMN log_count_notes.audit IS 'tetcore_logs.audit of the counted rows.';
COMMENT ON COLUMN log_count_notes.hour IS
    'The full hour before tetcore_logs.created_at of the counted rows, from which their partition follows; infinity for the partition of the future.';
COMMENT ON COLUMN log_count_notes.node_ids IS 'nodes.id of the senders.';
COMMENT ON COLUMN log_count_notes.msgs IS 'The first 256 characters of tetcore_logs.msg.';
COMMENT ON COLUMN log_count_notes.quantities IS 'Rows that came; negative for rows that went.';

-- By partition, so that the counts of a partition can go with it. Pages keep room, so that counting stays within them (HOT).
CREATE TABLE log_counts (
    node_id bigint NOT NULL,
    audit boolean NOT NULL,
    partition_start timestamptz NOT NULL,
    msg text,
    quantity bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (node_id, audit, partition_start, msg)
) WITH (fillfactor = 70);

CREATE INDEX log_counts_partition_start ON log_counts (partition_start);

COMMENT ON TABLE log_counts IS 'Messages in tetcore_logs by sender, type and partition, but for what log_count_notes holds. Ask node_log_counts() for both.';
COMMENT ON COLUMN log_counts.node_id IS 'nodes.id of the sender.';
COMMENT ON COLUMN log_counts.audit IS 'tetcore_logs.audit of the counted rows.';
COMMENT ON COLUMN log_counts.partition_start IS
    'Lower bound of their partition; -infinity for that of the past, infinity for that of the future.';
COMMENT ON COLUMN log_counts.msg IS 'The first 256 characters of tetcore_logs.msg; null for rows without a type.';
COMMENT ON COLUMN log_counts.quantity IS 'How many there are.';

CREATE FUNCTION log_count_shard(node_id bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (node_id & 63)::smallint;

COMMENT ON FUNCTION log_count_shard(bigint) IS 'Which of the 64 shards of log_count_notes a node''s differences are in.';

CREATE FUNCTION node_log_counts(node bigint) RETURNS TABLE (msg text, quantity bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT counted.msg, sum(counted.quantity)::bigint
    FROM (
        SELECT log_counts.msg, log_counts.quantity
        FROM log_counts
        WHERE log_counts.node_id = node_log_counts.node
        UNION ALL
        SELECT note.msg, note.quantity
        FROM log_count_notes
        CROSS JOIN unnest(node_ids, msgs, quantities) AS note (node_id, msg, quantity)
        WHERE shard = log_count_shard(node_log_counts.node) AND note.node_id = node_log_counts.node
    ) AS counted
    GROUP BY counted.msg
    HAVING sum(counted.quantity) > 0;
END;

COMMENT ON FUNCTION node_log_counts(bigint) IS
    'How many messages of each type (its first 256 characters) tetcore_logs holds of the node with this nodes.id.';

CREATE FUNCTION note_log_rows(sign integer, node_ids bigint[], audits boolean[], times timestamptz[], msgs text[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO log_count_notes (shard, audit, hour, node_ids, msgs, quantities)
    SELECT log_count_shard(node_id), audit, hour, array_agg(node_id), array_agg(msg), array_agg(sign * quantity)
    FROM (
        SELECT node_id, audit, date_trunc('hour', created_at, 'UTC') AS hour, left(row.msg, 256) AS msg,
               count(*)::integer AS quantity
        FROM unnest(node_ids, audits, times, msgs) AS row (node_id, audit, created_at, msg)
        WHERE node_id IS NOT NULL
        GROUP BY 1, 2, 3, 4
    ) AS counted
    GROUP BY 1, 2, 3;
END;

COMMENT ON FUNCTION note_log_rows(integer, bigint[], boolean[], timestamptz[], text[]) IS
    'Notes for log_counts that these rows of tetcore_logs came (sign 1) or went (sign -1): call it in the same transaction.';

-- The functions below take over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION fold_log_counts() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET jit = off
AS $$
BEGIN
    -- Whoever makes or drops partitions holds the root alone, so no hour changes its partition before this transaction ends.
    LOCK TABLE ONLY tetcore_logs IN ACCESS SHARE MODE;
    -- In this order: whoever holds the root alone always gets this lock, and no other fold is going on.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('fold_log_counts ' || current_schema(), 0)) THEN
        RETURN;
    END IF;

    WITH folded AS (
        DELETE FROM log_count_notes RETURNING audit, hour, node_ids, msgs, quantities
    ), noted AS MATERIALIZED (
        SELECT node_id, audit, hour, msg, sum(quantity) AS quantity
        FROM folded
        CROSS JOIN unnest(node_ids, msgs, quantities) AS note (node_id, msg, quantity)
        GROUP BY node_id, audit, hour, msg
    ), place AS MATERIALIZED (
        -- An hour without a partition would violate a constraint below rather than be forgotten.
        SELECT noted.audit, hour, CASE upper_bound WHEN 'infinity' THEN upper_bound ELSE lower_bound END AS partition_start
        FROM (SELECT DISTINCT audit, hour FROM noted) AS noted
        LEFT JOIN log_partitions() AS part
            ON part.audit = noted.audit AND hour >= lower_bound AND (hour < upper_bound OR upper_bound = 'infinity')
    ), difference AS MATERIALIZED (
        SELECT node_id, audit, partition_start, msg, sum(quantity)::bigint AS quantity
        FROM noted
        JOIN place USING (audit, hour)
        GROUP BY node_id, audit, partition_start, msg
        HAVING sum(quantity) <> 0
    ), emptied AS (
        DELETE FROM log_counts AS known
        USING difference
        WHERE difference.quantity < 0
          AND known.node_id = difference.node_id
          AND known.audit = difference.audit
          AND known.partition_start = difference.partition_start
          AND known.msg IS NOT DISTINCT FROM difference.msg
          AND known.quantity + difference.quantity = 0
        RETURNING known.node_id, known.audit, known.partition_start, known.msg
    )
    INSERT INTO log_counts AS known (node_id, audit, partition_start, msg, quantity)
    SELECT node_id, audit, partition_start, msg, quantity
    FROM difference
    WHERE quantity > 0
       OR NOT EXISTS (
            SELECT FROM emptied
            WHERE (emptied.node_id, emptied.audit, emptied.partition_start)
                = (difference.node_id, difference.audit, difference.partition_start)
              AND emptied.msg IS NOT DISTINCT FROM difference.msg
        )
    ORDER BY node_id, audit, partition_start, msg
    ON CONFLICT (node_id, audit, partition_start, msg) DO UPDATE SET quantity = known.quantity + excluded.quantity;
END
$$;

COMMENT ON FUNCTION fold_log_counts() IS 'Adds what log_count_notes holds to log_counts; leaves it if somebody else is doing so.';

-- As in V4, but with fewer partitions, and it moves the counts with the rows that leave that of the future.
CREATE OR REPLACE FUNCTION make_partitions(expiry interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
    ahead CONSTANT interval := '8 days';
    origin CONSTANT timestamptz := '2000-01-01 00:00+00';
    -- The narrowest with which some 100 partitions hold rows: each costs the planner some 0.2 ms of a query over all of them.
    expiring_width CONSTANT interval := coalesce(
        (SELECT min(width)
         FROM unnest('{1h,3h,6h,12h,1d,2d,4d,7d,14d,30d}'::interval[]) AS width
         WHERE expiry <= width * 100),
        '30 days');
    made integer := 0;
    parent text;
    future text;
    width interval;
    expired_until timestamptz;
    lower_bound timestamptz;
    upper_bound timestamptz;
    has_rows boolean;
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

        -- Notes name hours: those of rows that are about to move must be in log_counts, or it would be unclear where.
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', future) INTO has_rows;
        IF has_rows THEN
            PERFORM fold_log_counts();
        END IF;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, future);
        WHILE lower_bound < now() + ahead LOOP
            -- After a long stop, what has expired meanwhile is one partition, whatever its width.
            upper_bound := greatest(date_bin(width, lower_bound, origin) + width, date_bin(width, expired_until, origin));
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || to_char(lower_bound, '_YYYYMMDD_HH24'), parent, lower_bound, upper_bound);
            lower_bound := upper_bound;
            made := made + 1;
        END LOOP;
        EXECUTE format(
            $sql$
                WITH moved AS (DELETE FROM %I WHERE created_at < %L RETURNING *),
                     stored AS (INSERT INTO %I SELECT * FROM moved)
                SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)),
                       note_log_rows(-1, array_agg(node_id), array_agg(audit), array_agg(timestamptz 'infinity'), array_agg(msg))
                FROM moved
            $sql$,
            future, lower_bound, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (MAXVALUE)', parent, future, lower_bound);
    END LOOP;
    RETURN made;
END
$$;

REVOKE EXECUTE ON FUNCTION note_log_rows(integer, bigint[], boolean[], timestamptz[], text[]), fold_log_counts() FROM PUBLIC;
GRANT INSERT ON log_count_notes TO tetcore_flush;
GRANT EXECUTE ON FUNCTION fold_log_counts() TO tetcore_flush;
GRANT SELECT ON log_count_notes, log_counts TO tetcore_query;

-- What is there already is counted once. This reads tetcore_logs, against the rule, and whoever stores without taking notes
-- afterwards is not counted: stop batch-flush first, and start its new version; messages wait in Redis meanwhile.
INSERT INTO log_counts (node_id, audit, partition_start, msg, quantity)
SELECT log.node_id, log.audit, CASE upper_bound WHEN 'infinity' THEN upper_bound ELSE lower_bound END, left(log.msg, 256), count(*)
FROM tetcore_logs AS log
JOIN log_partitions() AS part ON part.partition = log.tableoid
WHERE log.node_id IS NOT NULL
GROUP BY 1, 2, 3, 4;
