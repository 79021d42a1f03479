-- What a node sent since $3, the newest 10,000 messages or 16 MiB of it. $1: its key, $2: msg, null for all.
SELECT id, created_at, msg, logs
FROM (
    SELECT id, created_at, msg, logs::text,
           sum(octet_length(logs::text)) OVER (ORDER BY created_at DESC, id DESC) AS bytes
    FROM (
        SELECT id, created_at, msg, logs
        FROM tetcore_logs
        WHERE node_id = $1 AND ($2::text IS NULL OR left(msg, 64) = left($2, 64) AND msg = $2) AND created_at >= $3
        ORDER BY created_at DESC, id DESC
        LIMIT 10000
    ) AS log
) AS log
WHERE bytes <= 16 << 20
