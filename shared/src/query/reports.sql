-- The latest network state of each reporter, the newest first.
-- $1: the greatest age in seconds, $2 and $3: time and reporter of the last row of the page before, null for none, $4: rows.
SELECT node_id, reporting_peer, remote_ids, remote_peers, reputations, connected, reported_at
FROM latest_reputation_reports
WHERE reported_at >= now() - $1 * interval '1 second'
  AND ($2::timestamptz IS NULL OR (reported_at, node_id) < ($2, $3::bigint))
ORDER BY reported_at DESC, node_id DESC
LIMIT $4
