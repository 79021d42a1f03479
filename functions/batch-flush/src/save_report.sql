-- Saves what a node ($1) said of its peers ($4 to $7, side by side) at a time ($3) in a message that is audit or not ($2).
SELECT save_reputation_report(
    ROW($1::bigint, $2::boolean, $3::timestamptz, $4::bigint[], $5::text[], $6::bigint[], $7::boolean[])::reputation_reports
)
