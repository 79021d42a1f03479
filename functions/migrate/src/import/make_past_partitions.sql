-- Makes partitions of the audit part or the other ($1) back to the first old connection, with this LOG_EXPIRY_H ($2): how many.
-- Connections have the server's time, while those of messages may be from wild clocks.
SELECT coalesce(make_past_partitions($1, min(created_at), $2::bigint * interval '1 hour'), 0)
FROM old_connections
WHERE coalesce(audit, false) = $1
