-- The targets of the tracing messages between $1 and $2, both included, in their order. $3: the last one of the page before, null for
-- none, $4: rows.
--
-- From one target to the next through their index, which does not grow with the number of messages.
WITH RECURSIVE known (target) AS (
    SELECT coalesce($3::text, '')
    UNION ALL
    SELECT (
        SELECT left(logs ->> 'target', 256)
        FROM tetcore_logs
        WHERE msg IN ('tracing.profiling', 'tracing.event')
          AND left(logs ->> 'target', 256) > known.target
          AND created_at BETWEEN $1::timestamptz AND $2::timestamptz
        ORDER BY left(logs ->> 'target', 256)
        LIMIT 1
    )
    FROM known
    WHERE known.target IS NOT NULL
)
SELECT target
FROM known
WHERE target > coalesce($3, '')
LIMIT $4
