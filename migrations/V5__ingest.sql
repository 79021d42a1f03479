-- The flusher's books: what is stored already, what could not be stored, and how much of each.

CREATE TABLE ingest_batches (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    messages integer NOT NULL
);

CREATE INDEX ingest_batches_created_at ON ingest_batches (created_at);

COMMENT ON TABLE ingest_batches IS 'The batches whose rows are in tetcore_logs: a batch that comes again is known here, and not stored twice. Kept for 7 days.';
COMMENT ON COLUMN ingest_batches.id IS 'Made by ws-ingest with the batch.';
COMMENT ON COLUMN ingest_batches.created_at IS 'When it was stored.';
COMMENT ON COLUMN ingest_batches.messages IS 'How many rows it brought.';

CREATE TABLE ingest_rejects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    ip_addr text NOT NULL,
    peer_connection_id bigint,
    stored boolean NOT NULL,
    size integer NOT NULL,
    sample bytea NOT NULL
);

CREATE INDEX ingest_rejects_created_at ON ingest_rejects (created_at);

COMMENT ON TABLE ingest_rejects IS 'Messages that could not be stored as they came. Kept for LOG_EXPIRY_H.';
COMMENT ON COLUMN ingest_rejects.id IS 'Unique.';
COMMENT ON COLUMN ingest_rejects.created_at IS 'When the message was received.';
COMMENT ON COLUMN ingest_rejects.reason IS 'What is wrong with it.';
COMMENT ON COLUMN ingest_rejects.ip_addr IS 'Address of the client that sent it.';
COMMENT ON COLUMN ingest_rejects.peer_connection_id IS 'peer_connections.id of the node and connection that sent it, if that was known.';
COMMENT ON COLUMN ingest_rejects.stored IS 'True if it could be repaired, and is in tetcore_logs in that form.';
COMMENT ON COLUMN ingest_rejects.size IS 'Length of the whole message in bytes.';
COMMENT ON COLUMN ingest_rejects.sample IS 'Its first 4 KiB.';

-- One row per flusher slot, so that flushers side by side never wait for one another; pages keep room for updates in place.
CREATE TABLE ingest_totals (
    worker smallint PRIMARY KEY,
    stored bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

INSERT INTO ingest_totals (worker) SELECT generate_series(0, 63);

COMMENT ON TABLE ingest_totals IS 'Running totals of the flushers, kept in the transactions that store, so that they survive a kill.';
COMMENT ON COLUMN ingest_totals.worker IS 'Slot of the flusher, 0 to 63.';
COMMENT ON COLUMN ingest_totals.stored IS 'Messages stored in tetcore_logs through this slot.';
COMMENT ON COLUMN ingest_totals.rejected IS 'Messages not stored, with their reasons in ingest_rejects, through this slot.';

GRANT INSERT, SELECT (id) ON ingest_batches TO tetcore_flush;
GRANT INSERT ON ingest_rejects TO tetcore_flush;
GRANT SELECT, UPDATE ON ingest_totals TO tetcore_flush;
GRANT SELECT ON ingest_rejects, ingest_totals TO tetcore_query;
