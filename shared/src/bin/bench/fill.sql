-- So many rows, their times spread evenly from one to another: copies of those that are there, in the order in which they
-- came.
WITH original AS MATERIALIZED (
    SELECT *, row_number() OVER () - 1 AS number, count(*) OVER () AS all_numbers
    FROM (SELECT * FROM tetcore_logs ORDER BY id LIMIT 100000) AS first
)
INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
SELECT spread.created_at, peer_connection_id, node_id, audit, msg, logs
FROM generate_series(0, ($1::bigint - 1) / (SELECT max(all_numbers) FROM original)) AS copy
CROSS JOIN original
CROSS JOIN LATERAL (
    SELECT copy * all_numbers + number AS row
) AS position
CROSS JOIN LATERAL (
    SELECT $2::timestamptz + row * (($3::timestamptz - $2::timestamptz) / $1::bigint) AS created_at
) AS spread
WHERE row < $1::bigint
