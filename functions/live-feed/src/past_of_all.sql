-- What all nodes sent since $2, the newest 10,000 messages or 16 MiB of it. $1: msg, null for all.
SELECT id, created_at, peer_id, msg, logs
FROM (
    SELECT log.id, created_at, peer_id, msg, logs::text,
           sum(octet_length(logs::text)) OVER (ORDER BY created_at DESC, log.id DESC) AS bytes
    FROM (
        SELECT id, created_at, node_id, msg, logs
        FROM tetcore_logs
        WHERE created_at >= $2 AND ($1::text IS NULL OR msg = $1)
        ORDER BY created_at DESC, id DESC
        LIMIT 10000
    ) AS log
    JOIN nodes ON nodes.id = node_id
) AS log
WHERE bytes <= 16 << 20
