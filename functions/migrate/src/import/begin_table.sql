-- How far the import of a table ($2) of a database ($1, which is $3) has come; a new one begins behind $4.
INSERT INTO imports AS known (database_number, table_name, source, last_id)
VALUES ($1, $2, $3, $4)
ON CONFLICT (database_number, table_name) DO UPDATE SET source = known.source
RETURNING last_id, stored, expired, incomplete
