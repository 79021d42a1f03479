-- What each node last said of its peers, the newest report first.
SELECT peer_id, array_agg(entry.key), array_agg(entry.value ->> 'reputation'), array_agg(entry.value ->> 'connected'), created_at
FROM (
    SELECT DISTINCT ON (peer_id) peer_id, substrate_logs.created_at, logs
    FROM substrate_logs
    JOIN peer_connections ON peer_connections.id = peer_connection_id
    WHERE logs ->> 'msg' = 'system.network_state' {filters}
    ORDER BY peer_id, substrate_logs.created_at DESC
) AS latest
CROSS JOIN LATERAL jsonb_each(logs #> '{state,peerset,nodes}') AS entry
WHERE {entries}
GROUP BY peer_id, created_at
ORDER BY created_at DESC
LIMIT {limit}
