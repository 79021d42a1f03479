-- The latest network state of each reporter, the newest first.
-- $1: the greatest age in seconds, $2 and $3: time and reporter of the last row of the page before, null for none, $4: rows.
SELECT report.node_id AS id, peer_id AS reporting_peer, remote_peers AS remote_peer, reputations AS reputation, connected,
       reported_at AS ts
FROM reputation_reports AS report
JOIN nodes ON nodes.id = report.node_id
WHERE reported_at >= now() - $1 * interval '1 second'
  AND ($2::timestamptz IS NULL OR (reported_at, report.node_id) < ($2, $3::bigint))
  AND NOT EXISTS (
      SELECT FROM reputation_reports AS other
      WHERE other.node_id = report.node_id AND (other.reported_at, other.audit) > (report.reported_at, report.audit)
  )
ORDER BY reported_at DESC, report.node_id DESC
LIMIT $4
