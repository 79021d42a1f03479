-- How many milliseconds went by until a message could be seen: not exceeded by half of them, and by 99 in a hundred.
SELECT percentile_disc('{0.5, 0.99}'::float8[])
       WITHIN GROUP (ORDER BY ((at_us - (logs->>'sent_us')::bigint) / 1e3)::float8)
FROM log_rows
JOIN seen ON transaction = log_rows.xmin::text::bigint
WHERE created_at >= to_timestamp($1::bigint / 1e6) - interval '1 s'
  AND (logs->>'sent_us')::bigint >= $1 AND (logs->>'sent_us')::bigint < $2
