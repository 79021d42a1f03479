-- How many messages of each type one node has sent, in the order of the types; those without a type first.
-- $1: its key, $2: the place of the last row of the page before, null for none, $3: rows.
SELECT qty, log_type, place
FROM (
    SELECT quantity AS qty, msg AS log_type, coalesce('.' || msg, '') COLLATE "C" AS place
    FROM node_log_counts($1)
) AS counted
WHERE $2::text IS NULL OR place > $2
ORDER BY place
LIMIT $3
