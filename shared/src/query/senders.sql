-- Which of these nodes send telemetry. $1: their keys.
SELECT id FROM nodes WHERE id = ANY($1::bigint[])
