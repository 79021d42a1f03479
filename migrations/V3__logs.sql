-- What nodes send. Partitioned so that expiry is the drop of a table: audit rows, which never expire, apart from the rest,
-- and both by time. make_partitions() adds to them.

-- Cached in blocks, so that parallel COPY streams do not queue for the sequence; ids are unique, not gapless or in order.
CREATE SEQUENCE tetcore_logs_id_seq CACHE 1024;

-- No primary key and no foreign keys: each would cost an index lookup per row, and what they would guarantee ingest_batches
-- (a batch is stored once) and purge-job (a connection outlives its rows) do.
-- lz4, since network states of 20 kB and more would otherwise spend most of their COPY in pglz.
CREATE TABLE tetcore_logs (
    id bigint NOT NULL DEFAULT nextval('tetcore_logs_id_seq'),
    created_at timestamptz NOT NULL,
    peer_connection_id bigint NOT NULL,
    node_id bigint,
    audit boolean NOT NULL,
    msg text,
    logs jsonb COMPRESSION lz4 NOT NULL
) PARTITION BY LIST (audit);

ALTER SEQUENCE tetcore_logs_id_seq OWNED BY tetcore_logs.id;

COMMENT ON SEQUENCE tetcore_logs_id_seq IS 'Source of tetcore_logs.id.';
COMMENT ON TABLE tetcore_logs IS 'Every telemetry message, one row each.';
COMMENT ON COLUMN tetcore_logs.id IS 'Unique; breaks ties between rows of the same created_at.';
COMMENT ON COLUMN tetcore_logs.created_at IS
    'The message''s own time (ts); the time of receipt if it has none, an unreadable one, or one more than 24 h ahead.';
COMMENT ON COLUMN tetcore_logs.peer_connection_id IS 'peer_connections.id of the node and connection that sent it.';
COMMENT ON COLUMN tetcore_logs.node_id IS 'nodes.id of the sender; null only while the node has not told its identity.';
COMMENT ON COLUMN tetcore_logs.audit IS 'Sent to /audit: never expires.';
COMMENT ON COLUMN tetcore_logs.msg IS 'The message''s type: the string at logs->>''msg''; null if there is none.';
COMMENT ON COLUMN tetcore_logs.logs IS 'The message: of V1 as it came, of V2 the payload plus ts.';

CREATE INDEX tetcore_logs_node_id_created_at ON tetcore_logs (node_id, created_at);
CREATE INDEX tetcore_logs_created_at ON tetcore_logs USING brin (created_at);
-- Finds the rows to complete once a connection's node is known; nearly empty, since rows leave it then.
CREATE INDEX tetcore_logs_unidentified ON tetcore_logs (peer_connection_id) WHERE node_id IS NULL;

CREATE TABLE tetcore_logs_expiring PARTITION OF tetcore_logs FOR VALUES IN (false) PARTITION BY RANGE (created_at);
CREATE TABLE tetcore_logs_audit PARTITION OF tetcore_logs FOR VALUES IN (true) PARTITION BY RANGE (created_at);

COMMENT ON TABLE tetcore_logs_expiring IS 'The part of tetcore_logs that expires after LOG_EXPIRY_H.';
COMMENT ON TABLE tetcore_logs_audit IS 'The part of tetcore_logs that never expires.';

-- The two outermost partitions of each part take what slow and fast clocks send: the past ends and the future begins with the
-- hour of this migration, and make_partitions() moves the future on. Not DEFAULT partitions, which would rob the planner of
-- the order between partitions (an ordered Append for "the newest 100").
CREATE TABLE tetcore_logs_expiring_past PARTITION OF tetcore_logs_expiring
    FOR VALUES FROM (MINVALUE) TO (date_bin('1 hour', now(), '2000-01-01 00:00+00'));
CREATE TABLE tetcore_logs_expiring_future PARTITION OF tetcore_logs_expiring
    FOR VALUES FROM (date_bin('1 hour', now(), '2000-01-01 00:00+00')) TO (MAXVALUE);
CREATE TABLE tetcore_logs_audit_past PARTITION OF tetcore_logs_audit
    FOR VALUES FROM (MINVALUE) TO (date_bin('1 hour', now(), '2000-01-01 00:00+00'));
CREATE TABLE tetcore_logs_audit_future PARTITION OF tetcore_logs_audit
    FOR VALUES FROM (date_bin('1 hour', now(), '2000-01-01 00:00+00')) TO (MAXVALUE);

-- On the root alone: rows are only read and written through it, and partitions made later need no grants of their own.
GRANT INSERT, SELECT (peer_connection_id, node_id), UPDATE (node_id) ON tetcore_logs TO tetcore_flush;
GRANT USAGE ON SEQUENCE tetcore_logs_id_seq TO tetcore_flush;
GRANT SELECT ON tetcore_logs TO tetcore_query;
