-- A table ($2) of a database ($1) was taken over up to the last row that came: how far its import has come.
UPDATE imports SET last_id = coalesce((SELECT max(id) FROM {staging}), last_id), updated_at = now()
WHERE database_number = $1 AND table_name = $2
RETURNING last_id, stored, expired, incomplete
