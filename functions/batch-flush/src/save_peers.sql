-- Saves what is known of peers and of their nodes, and names the peers whose rows may lack their node.
-- $1: a JSON array of shared::row::Peer. The latest record of a peer counts, in whatever order records arrive. A conflict
-- locks the row even where nothing is to be updated; claim_rows.sql relies on that.
WITH record AS MATERIALIZED (
    SELECT DISTINCT ON (id) *, bool_or(has_unclaimed_rows) OVER (PARTITION BY id) AS unclaimed
    FROM jsonb_to_recordset($1::text::jsonb) AS record (
        id bigint, ip_addr text, created_at timestamptz, audit boolean, last_seen timestamptz, newest_log_at timestamptz,
        has_unclaimed_rows boolean, node_id bigint, peer_id text, name text, chain text, version text, authority boolean,
        startup_time bigint, implementation text
    )
    ORDER BY id, last_seen DESC
), saved_peer AS (
    INSERT INTO peer_connections AS known (
        id, ip_addr, created_at, audit, last_seen, newest_log_at, node_id, peer_id, name, chain, version, authority,
        startup_time, implementation
    )
    SELECT id, ip_addr, created_at, audit, last_seen, newest_log_at, node_id, peer_id, name, chain, version, authority,
           startup_time, implementation
    FROM record
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        last_seen = excluded.last_seen,
        newest_log_at = excluded.newest_log_at,
        node_id = excluded.node_id,
        peer_id = excluded.peer_id,
        name = excluded.name,
        chain = excluded.chain,
        version = excluded.version,
        authority = excluded.authority,
        startup_time = excluded.startup_time,
        implementation = excluded.implementation
    WHERE excluded.last_seen > known.last_seen
), saved_node AS (
    INSERT INTO nodes AS known (id, peer_id, peer_connection_id, connected_at, last_seen)
    SELECT DISTINCT ON (node_id) node_id, peer_id, id, created_at, last_seen
    FROM record
    WHERE node_id IS NOT NULL
    ORDER BY node_id, created_at DESC, id DESC
    ON CONFLICT (id) DO UPDATE SET
        (peer_connection_id, connected_at, last_seen) =
        (excluded.peer_connection_id, excluded.connected_at, excluded.last_seen)
    WHERE (excluded.connected_at, excluded.peer_connection_id, excluded.last_seen)
        > (known.connected_at, known.peer_connection_id, known.last_seen)
)
SELECT id FROM record WHERE unclaimed
