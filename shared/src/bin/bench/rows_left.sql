-- How many of the rows of fill.sql a horizon leaves, and how many are there that it should not have left.
SELECT (SELECT count(*)
        FROM generate_series(0, $1::bigint - 1) AS row
        WHERE $2::timestamptz + row * (($3::timestamptz - $2::timestamptz) / $1::bigint) >= $4::timestamptz),
       (SELECT count(*) FROM tetcore_logs WHERE NOT audit AND created_at < $4::timestamptz)
