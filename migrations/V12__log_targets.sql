-- Which types of messages name which targets: few pairs, that spare queries a look at every row of a node or of a time.

CREATE TABLE log_targets (
    audit boolean NOT NULL,
    month date NOT NULL,
    msg text,
    target text,
    UNIQUE NULLS NOT DISTINCT (target, msg, month, audit)
);

COMMENT ON TABLE log_targets IS
    'Every type and target of the messages in tetcore_logs, by month. May hold some of messages that are gone, or that name them in an inner object.';
COMMENT ON COLUMN log_targets.audit IS 'tetcore_logs.audit of the messages.';
COMMENT ON COLUMN log_targets.month IS 'The first day of the month of their tetcore_logs.created_at, in UTC.';
COMMENT ON COLUMN log_targets.msg IS 'The first 256 characters of tetcore_logs.msg; null for messages without a type.';
COMMENT ON COLUMN log_targets.target IS 'The first 256 characters of logs->>''target''; null for targets that are no strings.';

-- In one order, so that flushers that have the same new ones wait for each other instead of deadlocking. A pair that is known
-- costs a look into the index, and no lock.
CREATE FUNCTION note_log_targets(audits boolean[], times timestamptz[], msgs text[], targets text[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO log_targets (audit, month, msg, target)
    SELECT DISTINCT audit, date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month, left(row.msg, 256) AS msg,
           left(row.target, 256) AS target
    FROM unnest(audits, times, msgs, targets) AS row (audit, created_at, msg, target)
    ORDER BY target, msg, month, audit
    ON CONFLICT DO NOTHING;
END;

COMMENT ON FUNCTION note_log_targets(boolean[], timestamptz[], text[], text[]) IS
    'Notes for log_targets that rows of tetcore_logs came whose messages have a target, null where it is no string: call it in the same transaction.';

REVOKE EXECUTE ON FUNCTION note_log_targets(boolean[], timestamptz[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_log_targets(boolean[], timestamptz[], text[], text[]) TO tetcore_flush;
GRANT INSERT ON log_targets TO tetcore_flush;
GRANT SELECT ON log_targets TO tetcore_query, tetcore_admin;

-- What is there already is read once, as in V8: stop batch-flush first, and start its new version.
SELECT note_log_targets(array_agg(audit), array_agg(created_at), array_agg(msg), array_agg(target))
FROM (
    SELECT DISTINCT audit, date_trunc('month', created_at, 'UTC') AS created_at, left(msg, 256) AS msg,
           CASE jsonb_typeof(logs -> 'target') WHEN 'string' THEN left(logs ->> 'target', 256) END AS target
    FROM tetcore_logs
    WHERE logs ? 'target'
) AS known;
