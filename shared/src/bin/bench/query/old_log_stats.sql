-- How many messages of each type one node has sent.
SELECT count(*) AS qty, logs ->> 'msg' AS log_type
FROM substrate_logs
JOIN peer_connections ON peer_connections.id = peer_connection_id
WHERE peer_id = '{peer}'
GROUP BY logs ->> 'msg'
