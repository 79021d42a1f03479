-- Connections that are closed and without rows: $1 the time of this run, $2 the horizon, those after the id $3, $4 at most.
--
-- newest_log_at, as last reported, rules out nearly all that have rows; the index lookups settle the rest. No row of a
-- connection is newer than a day after its end, since ws-ingest replaces such times by the time of receipt. LATERAL with LIMIT
-- keeps these lookups, where NOT EXISTS would let the planner read the whole of log_rows.
SELECT peer.id
FROM peer_connections AS peer
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM log_rows AS log
    WHERE log.node_id = peer.node_id
      AND log.peer_connection_id = peer.id
      AND log.audit = peer.audit
      AND log.created_at >= CASE WHEN peer.audit THEN '-infinity' ELSE $2::timestamptz END
      AND log.created_at <= peer.last_seen + interval '25 hours'
    LIMIT 1
) AS identified ON true
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM log_rows AS log
    WHERE log.node_id IS NULL
      AND log.peer_connection_id = peer.id
      AND log.audit = peer.audit
      AND log.created_at >= CASE WHEN peer.audit THEN '-infinity' ELSE $2::timestamptz END
      AND log.created_at <= peer.last_seen + interval '25 hours'
    LIMIT 1
) AS unidentified ON true
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM log_slices AS slice
    WHERE slice.node_id = peer.node_id
      AND slice.audit = peer.audit
      AND slice.until >= CASE WHEN peer.audit THEN '-infinity' ELSE $2::timestamptz END
      AND slice.since <= peer.last_seen + interval '25 hours'
      AND slice.peer_connection_ids @> ARRAY[peer.id]
    LIMIT 1
) AS packed ON true
WHERE peer.id > $3
  AND peer.last_seen < $1::timestamptz - interval '10 minutes'
  AND (peer.newest_log_at IS NULL OR NOT peer.audit AND peer.newest_log_at < $2)
  AND identified.found IS NULL
  AND unidentified.found IS NULL
  AND packed.found IS NULL
ORDER BY peer.id
LIMIT $4
