-- Removes the connections $1 unless they came back to life since $2, the time of this run; points their nodes to the latest
-- connection that is left, removes nodes without any, and counts the removed connections and nodes.
WITH removed AS (
    DELETE FROM peer_connections
    WHERE id IN (
        SELECT id
        FROM peer_connections
        WHERE id = ANY ($1) AND last_seen < $2::timestamptz - interval '10 minutes'
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
),
outdated AS (
    SELECT nodes.id, nodes.peer_connection_id AS removed_id, latest.*
    FROM nodes
    JOIN removed ON removed.id = nodes.peer_connection_id
    LEFT JOIN LATERAL (
        SELECT peer.id AS latest_id, peer.created_at, peer.last_seen
        FROM peer_connections AS peer
        WHERE peer.node_id = nodes.id AND NOT EXISTS (SELECT FROM removed WHERE removed.id = peer.id)
        ORDER BY peer.created_at DESC, peer.id DESC
        LIMIT 1
    ) AS latest ON true
),
repointed AS (
    UPDATE nodes
    SET peer_connection_id = latest_id, connected_at = outdated.created_at, last_seen = outdated.last_seen
    FROM outdated
    WHERE nodes.id = outdated.id AND nodes.peer_connection_id = removed_id AND latest_id IS NOT NULL
),
forgotten AS (
    DELETE FROM nodes
    USING outdated
    WHERE nodes.id = outdated.id AND nodes.peer_connection_id = removed_id AND latest_id IS NULL
    RETURNING nodes.id
)
SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM forgotten)
