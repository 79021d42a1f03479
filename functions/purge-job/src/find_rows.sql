-- Where expired rows of a partition are, from one place, included, to another: a line for each $2 pages that have some. $1: the
-- horizon. Looked for once, however many steps their removal takes.
SELECT format('(%s,0)', step * $2), format('(%s,0)', (step + 1) * $2)
FROM (SELECT DISTINCT (ctid::text::point)[0]::bigint / $2::bigint FROM {table} WHERE created_at < $1) AS places (step)
ORDER BY step
