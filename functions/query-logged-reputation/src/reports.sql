-- The latest network state of each reporter, the newest first, and of the peers in it those that send telemetry, too.
-- $1: the greatest age in seconds, $2 and $3: time and reporter of the last row of the page before, null for none, $4: rows.
WITH report AS MATERIALIZED (
    SELECT *
    FROM latest_reputation_reports
    WHERE reported_at >= now() - $1 * interval '1 second'
      AND ($2::timestamptz IS NULL OR (reported_at, node_id) < ($2, $3::bigint))
    ORDER BY reported_at DESC, node_id DESC
    LIMIT $4
)
SELECT node_id AS id, reporting_peer, entries.*, reported_at AS ts
FROM report
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(peer), '{}') AS remote_peer,
           coalesce(array_agg(reputation), '{}') AS reputation,
           coalesce(array_agg(entry.connected), '{}') AS connected
    FROM (
        SELECT peer, reputation, entry.connected
        FROM unnest(remote_ids, remote_peers, reputations, report.connected) WITH ORDINALITY
            AS entry (id, peer, reputation, connected, place)
        WHERE EXISTS (SELECT FROM nodes WHERE nodes.id = entry.id)
        ORDER BY place
    ) AS entry
) AS entries
ORDER BY reported_at DESC, node_id DESC
