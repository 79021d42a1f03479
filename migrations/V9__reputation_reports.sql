-- What each node last said of the peers that it knows: the newest network state, read once when it is stored.

-- remote_ids is all that a search for one peer reads of most rows: it stays in the row, while lists that make the row long move
-- out. Pages keep room, so that a newer report stays within them (HOT).
CREATE TABLE reputation_reports (
    node_id bigint NOT NULL,
    audit boolean NOT NULL,
    reported_at timestamptz NOT NULL,
    remote_ids bigint[] NOT NULL,
    remote_peers text[] NOT NULL,
    reputations bigint[] NOT NULL,
    connected boolean[] NOT NULL,
    PRIMARY KEY (node_id, audit)
) WITH (fillfactor = 70);

ALTER TABLE reputation_reports ALTER remote_ids SET STORAGE MAIN;
ALTER TABLE reputation_reports ALTER remote_peers SET STORAGE EXTERNAL;
ALTER TABLE reputation_reports ALTER reputations SET STORAGE EXTERNAL;
ALTER TABLE reputation_reports ALTER connected SET STORAGE EXTERNAL;

COMMENT ON TABLE reputation_reports IS
    'The newest network state of each node: remote_ids, remote_peers, reputations and connected side by side, in the order of the peer ids.';
COMMENT ON COLUMN reputation_reports.node_id IS 'nodes.id of the reporting node.';
COMMENT ON COLUMN reputation_reports.audit IS
    'tetcore_logs.audit of the message: a node may have a report that expires and one that does not, and the later one counts.';
COMMENT ON COLUMN reputation_reports.reported_at IS 'tetcore_logs.created_at of the message.';
COMMENT ON COLUMN reputation_reports.remote_ids IS 'node_id() of each peer that is reported on.';
COMMENT ON COLUMN reputation_reports.remote_peers IS 'Their libp2p peer ids.';
COMMENT ON COLUMN reputation_reports.reputations IS 'What the reporting node thinks of each.';
COMMENT ON COLUMN reputation_reports.connected IS 'Whether it was connected to each.';

CREATE VIEW latest_reputation_reports AS
SELECT report.node_id, peer_id AS reporting_peer, reported_at, remote_ids, remote_peers, reputations, connected
FROM reputation_reports AS report
JOIN nodes ON nodes.id = report.node_id
WHERE NOT EXISTS (
    SELECT FROM reputation_reports AS other
    WHERE other.node_id = report.node_id AND (other.reported_at, other.audit) > (report.reported_at, report.audit)
);

COMMENT ON VIEW latest_reputation_reports IS 'What each node last said of the peers that it knows, whether in an audit message or not.';
COMMENT ON COLUMN latest_reputation_reports.node_id IS 'nodes.id of the reporting node.';
COMMENT ON COLUMN latest_reputation_reports.reporting_peer IS 'Its libp2p peer id.';
COMMENT ON COLUMN latest_reputation_reports.reported_at IS 'As in reputation_reports.';
COMMENT ON COLUMN latest_reputation_reports.remote_ids IS 'As in reputation_reports.';
COMMENT ON COLUMN latest_reputation_reports.remote_peers IS 'As in reputation_reports.';
COMMENT ON COLUMN latest_reputation_reports.reputations IS 'As in reputation_reports.';
COMMENT ON COLUMN latest_reputation_reports.connected IS 'As in reputation_reports.';

-- The same as read() in shared/src/reputation.rs.
CREATE FUNCTION read_reputations(logs jsonb)
RETURNS TABLE (remote_ids bigint[], remote_peers text[], reputations bigint[], connected boolean[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT entries.*
    FROM (
        SELECT CASE
            WHEN jsonb_typeof(logs #> '{state,peerset,nodes}') = 'object' THEN logs #> '{state,peerset,nodes}'
            WHEN jsonb_typeof(logs #> '{network_state,peerset,nodes}') = 'object' THEN logs #> '{network_state,peerset,nodes}'
        END AS nodes
    ) AS report
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(node_id(peer) ORDER BY peer COLLATE "C"), '{}'),
               coalesce(array_agg(peer ORDER BY peer COLLATE "C"), '{}'),
               coalesce(array_agg(reputation::bigint ORDER BY peer COLLATE "C"), '{}'),
               coalesce(array_agg(is_connected ORDER BY peer COLLATE "C"), '{}')
        FROM (
            SELECT peer,
                   CASE jsonb_typeof(entry -> 'reputation') WHEN 'number' THEN (entry -> 'reputation')::numeric END AS reputation,
                   CASE jsonb_typeof(entry -> 'connected') WHEN 'boolean' THEN (entry -> 'connected')::boolean END AS is_connected
            FROM jsonb_each(nodes) AS node (peer, entry)
        ) AS read
        WHERE reputation = trunc(reputation)
          AND reputation BETWEEN -9223372036854775808 AND 9223372036854775807
          AND is_connected IS NOT NULL
    ) AS entries
    WHERE nodes IS NOT NULL;
END;

COMMENT ON FUNCTION read_reputations(jsonb) IS
    'What a message of type system.network_state says of the peers that its sender knows; no row if it says nothing of them. '
    'Entries whose reputation is no whole number of 64 bits, or whose connected is no boolean, are left out.';

-- The functions below take over this path. pg_temp comes last, so that no caller's temporary table can stand in for ours.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

-- A list of peers that is the same as before stays where it is, out of the row.
CREATE FUNCTION save_reputation_report(report reputation_reports) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO reputation_reports AS known VALUES (report.*)
    ON CONFLICT (node_id, audit) DO UPDATE SET
        reported_at = excluded.reported_at,
        remote_ids = excluded.remote_ids,
        remote_peers = CASE WHEN known.remote_ids = excluded.remote_ids THEN known.remote_peers ELSE excluded.remote_peers END,
        reputations = excluded.reputations,
        connected = excluded.connected
    WHERE excluded.reported_at >= known.reported_at;
END
$$;

COMMENT ON FUNCTION save_reputation_report(reputation_reports) IS
    'Saves a report unless a newer one of its node is known. To save several, call it in the order of node_id and audit, so that nobody deadlocks.';

-- Two steps, so that the second sees what others stored before the first got its locks; who stores later meets them.
CREATE FUNCTION renew_reputation_reports(nodes bigint[], horizon timestamptz) RETURNS void
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
        SELECT created_at, report.*
        FROM tetcore_logs AS log
        CROSS JOIN read_reputations(logs) AS report
        WHERE log.node_id = node
          AND NOT audit
          AND left(msg, 64) = 'system.network_state'
          AND msg = 'system.network_state'
        ORDER BY created_at DESC
        LIMIT 1
    ) AS newest;
END
$$;

COMMENT ON FUNCTION renew_reputation_reports(bigint[], timestamptz) IS
    'For nodes of whom network states were removed that do not count as audit: replaces reports older than a time by the newest that is left.';

REVOKE EXECUTE ON FUNCTION save_reputation_report(reputation_reports), renew_reputation_reports(bigint[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION save_reputation_report(reputation_reports) TO tetcore_flush;
GRANT SELECT ON reputation_reports, latest_reputation_reports TO tetcore_query;

-- What is there already is read once, as in V8: stop batch-flush first, and start its new version.
INSERT INTO reputation_reports (node_id, audit, reported_at, remote_ids, remote_peers, reputations, connected)
SELECT DISTINCT ON (node_id, audit) node_id, audit, created_at, report.*
FROM tetcore_logs
CROSS JOIN read_reputations(logs) AS report
WHERE node_id IS NOT NULL AND msg = 'system.network_state'
ORDER BY node_id, audit, created_at DESC;
