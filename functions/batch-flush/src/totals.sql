-- What all flushers together have stored and refused since the database was made.
SELECT sum(stored)::bigint, sum(rejected)::bigint FROM ingest_totals
