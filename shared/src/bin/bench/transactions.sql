-- The transactions that stored messages of this time or later. A server that is this young has not used its ids up yet.
SELECT DISTINCT xmin::text::bigint
FROM log_rows
WHERE created_at >= to_timestamp($1::bigint / 1e6)
