-- Old messages in little room: a slice holds up to some hundred of a node's in arrays side by side, which compress to a sixth of
-- the rows that they were (76 bytes a message beside 482; a slice for each type takes 144, since a block's hash is no longer
-- repeated in it). tetcore_logs shows both, whatever is asked.

-- The functions below take over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

ALTER TABLE tetcore_logs RENAME TO log_rows;
COMMENT ON TABLE log_rows IS 'The messages of tetcore_logs that are not in slices, one row each: all newer ones, and older ones that came late.';

-- These name the table in their text.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOREACH routine IN ARRAY ARRAY['make_partitions(interval)', 'make_past_partitions(boolean, timestamptz, interval)',
                                   'fold_log_counts()']::regprocedure[]
    LOOP
        EXECUTE replace(pg_get_functiondef(routine), 'LOCK TABLE ONLY tetcore_logs', 'LOCK TABLE ONLY log_rows');
    END LOOP;
END
$$;

-- By the same times as the partitions of log_rows, so that expiry is a drop here as well.
CREATE TABLE log_slices (
    node_id bigint NOT NULL,
    audit boolean NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    quantity integer NOT NULL,
    types text[] NOT NULL,
    targets text[] NOT NULL,
    ids bigint[] COMPRESSION lz4 NOT NULL,
    times timestamptz[] COMPRESSION lz4 NOT NULL,
    peer_connection_ids bigint[] COMPRESSION lz4 NOT NULL,
    msgs text[] COMPRESSION lz4 NOT NULL,
    logs jsonb[] COMPRESSION lz4 NOT NULL
) PARTITION BY LIST (audit);

CREATE INDEX log_slices_node_id_until ON log_slices (node_id, until);
CREATE INDEX log_slices_targets ON log_slices USING gin (targets);

CREATE TABLE log_slices_expiring PARTITION OF log_slices FOR VALUES IN (false) PARTITION BY RANGE (since);
CREATE TABLE log_slices_audit PARTITION OF log_slices FOR VALUES IN (true) PARTITION BY RANGE (since);

COMMENT ON TABLE log_slices IS 'Older messages of tetcore_logs, some of a node''s in each row: ids, times, peer_connection_ids, msgs and logs side by side.';
COMMENT ON TABLE log_slices_expiring IS 'The part of log_slices that expires after LOG_EXPIRY_H.';
COMMENT ON TABLE log_slices_audit IS 'The part of log_slices that never expires.';
COMMENT ON COLUMN log_slices.node_id IS 'tetcore_logs.node_id of the messages.';
COMMENT ON COLUMN log_slices.audit IS 'tetcore_logs.audit of the messages.';
COMMENT ON COLUMN log_slices.since IS 'The first of the times.';
COMMENT ON COLUMN log_slices.until IS 'The last of the times.';
COMMENT ON COLUMN log_slices.quantity IS 'How many messages there are.';
COMMENT ON COLUMN log_slices.types IS 'The first 256 characters of the msgs, each once.';
COMMENT ON COLUMN log_slices.targets IS 'The first 256 characters of what the messages have at logs->>''target'', each once.';
COMMENT ON COLUMN log_slices.ids IS 'tetcore_logs.id of the messages.';
COMMENT ON COLUMN log_slices.times IS 'tetcore_logs.created_at of the messages.';
COMMENT ON COLUMN log_slices.peer_connection_ids IS 'tetcore_logs.peer_connection_id of the messages.';
COMMENT ON COLUMN log_slices.msgs IS 'tetcore_logs.msg of the messages.';
COMMENT ON COLUMN log_slices.logs IS 'tetcore_logs.logs of the messages.';

CREATE FUNCTION log_slice_partitions()
RETURNS TABLE (partition regclass, audit boolean, lower_bound timestamptz, upper_bound timestamptz)
LANGUAGE sql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
    SELECT leaf.oid::regclass, inhparent = 'log_slices_audit'::regclass, bound[1]::timestamptz, bound[2]::timestamptz
    FROM pg_inherits
    JOIN pg_class AS leaf ON leaf.oid = inhrelid
    CROSS JOIN regexp_match(pg_get_expr(relpartbound, leaf.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') AS bound
    WHERE inhparent IN ('log_slices_expiring'::regclass, 'log_slices_audit'::regclass)
$$;

COMMENT ON FUNCTION log_slice_partitions() IS
    'The partitions that hold the slices of log_slices, with the range of created_at of their messages (upper bound excluded).';

-- A branch for each partition, with its bounds as literals: where they contradict those that are asked for, the planner leaves the
-- branch out. It looks for that only in members of an Append, which the empty second half makes of unnest().
CREATE FUNCTION renew_log_view(without regclass[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
    branch CONSTANT text := $sql$
        UNION ALL
        SELECT log.id, log.created_at, log.peer_connection_id, node_id, %L::boolean, log.msg, log.logs
        FROM %s
        CROSS JOIN LATERAL (
            SELECT * FROM unnest(ids, times, peer_connection_ids, msgs, logs)
            UNION ALL
            SELECT NULL, NULL, NULL, NULL, NULL WHERE false
        ) AS log (id, created_at, peer_connection_id, msg, logs)
        WHERE log.created_at >= %L::timestamptz AND log.created_at < %L::timestamptz
    $sql$;
    branches text;
BEGIN
    SELECT string_agg(format(branch, audit, partition, lower_bound, upper_bound), '' ORDER BY audit, lower_bound DESC)
    INTO branches
    FROM log_slice_partitions()
    WHERE partition <> ALL (without);

    EXECUTE format('CREATE OR REPLACE VIEW tetcore_logs AS
                    SELECT id, created_at, peer_connection_id, node_id, audit, msg, logs FROM log_rows %s', branches);
END
$$;

COMMENT ON FUNCTION renew_log_view(regclass[]) IS
    'Makes tetcore_logs show log_rows and all partitions of log_slices but those that are named. Waits for all who read it: set lock_timeout.';

REVOKE EXECUTE ON FUNCTION renew_log_view(regclass[]) FROM PUBLIC;

SELECT renew_log_view();

COMMENT ON VIEW tetcore_logs IS 'Every telemetry message, one row each.';
COMMENT ON COLUMN tetcore_logs.id IS
    'Unique, and greater with each message of a node; made by ws-ingest. Of rows that others insert, the sequence''s, which are smaller.';
COMMENT ON COLUMN tetcore_logs.created_at IS
    'The message''s own time (ts); the time of receipt if it has none, an unreadable one, or one more than 24 h ahead.';
COMMENT ON COLUMN tetcore_logs.peer_connection_id IS 'peer_connections.id of the node and connection that sent it.';
COMMENT ON COLUMN tetcore_logs.node_id IS 'nodes.id of the sender; null only while the node has not told its identity.';
COMMENT ON COLUMN tetcore_logs.audit IS 'Sent to /audit: never expires.';
COMMENT ON COLUMN tetcore_logs.msg IS 'The message''s type: the string at logs->>''msg''; null if there is none.';
COMMENT ON COLUMN tetcore_logs.logs IS 'The message: of V1 as it came, of V2 the payload plus ts.';

-- As in V9; but of slices, those without a network state are not unpacked.
CREATE OR REPLACE FUNCTION renew_reputation_reports(nodes bigint[], horizon timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    outdated bigint[];
BEGIN
    WITH locked AS (
        SELECT node_id
        FROM reputation_reports
        WHERE node_id = ANY (nodes) AND NOT audit AND reported_at < horizon
        ORDER BY node_id
        FOR UPDATE
    ), removed AS (
        DELETE FROM reputation_reports AS report
        USING locked
        WHERE report.node_id = locked.node_id AND NOT audit
        RETURNING report.node_id
    )
    SELECT array_agg(node_id ORDER BY node_id) INTO outdated FROM removed;

    PERFORM save_reputation_report(ROW(node, false, newest.*)::reputation_reports)
    FROM unnest(outdated) AS node
    CROSS JOIN LATERAL (
        (
            SELECT created_at, report.*
            FROM log_rows AS log
            CROSS JOIN read_reputations(logs) AS report
            WHERE log.node_id = node
              AND NOT audit
              AND left(msg, 64) = 'system.network_state'
              AND msg = 'system.network_state'
            ORDER BY created_at DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT created_at, report.*
            FROM log_slices AS slice
            CROSS JOIN unnest(times, msgs, slice.logs) AS log (created_at, msg, logs)
            CROSS JOIN read_reputations(log.logs) AS report
            WHERE slice.node_id = node
              AND NOT audit
              AND types @> '{system.network_state}'
              AND msg = 'system.network_state'
            ORDER BY created_at DESC
            LIMIT 1
        )
        ORDER BY created_at DESC
        LIMIT 1
    ) AS newest;
END
$$;

-- For batch-flush as it was before, while both versions run.
CREATE FUNCTION insert_log_row() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO log_rows (id, created_at, peer_connection_id, node_id, audit, msg, logs)
    VALUES (coalesce(NEW.id, nextval('tetcore_logs_id_seq')), NEW.created_at, NEW.peer_connection_id, NEW.node_id, NEW.audit,
            NEW.msg, NEW.logs);
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION insert_log_row() IS 'Inserts into log_rows what somebody inserts into tetcore_logs.';

CREATE TRIGGER insert_log_row INSTEAD OF INSERT ON tetcore_logs FOR EACH ROW EXECUTE FUNCTION insert_log_row();

GRANT INSERT ON tetcore_logs TO tetcore_flush;
GRANT SELECT ON tetcore_logs, log_slices TO tetcore_query;
GRANT SELECT (created_at, msg, logs) ON tetcore_logs TO tetcore_admin;
GRANT SELECT (since, until, targets, times, msgs, logs) ON log_slices TO tetcore_admin;
