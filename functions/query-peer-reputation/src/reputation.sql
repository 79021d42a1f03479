-- What others say of one peer in their latest network state, the newest first.
-- $1: the peer's key, $2: the greatest age in seconds, $3 and $4: time and reporter of the last row of the page before, null for
-- none, $5: rows. An entry that lacks something, as none of ours does, is left out.
SELECT node_id AS id, reporting_peer, reputations[place] AS reputation, connected[place] AS connected, reported_at AS ts
FROM latest_reputation_reports
CROSS JOIN LATERAL array_position(remote_ids, $1) AS place
WHERE reputations[place] IS NOT NULL
  AND connected[place] IS NOT NULL
  AND reported_at >= now() - $2 * interval '1 second'
  AND ($3::timestamptz IS NULL OR (reported_at, node_id) < ($3, $4::bigint))
ORDER BY reported_at DESC, node_id DESC
LIMIT $5
