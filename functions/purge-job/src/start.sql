-- The time of this run by the database's clock, and the horizon: what is older than that and not audit has expired.
SELECT now(), now() - $1::bigint * interval '1 hour'
