-- Chooses the ids of the rows that came: those that they had, where these are free here.
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;

SELECT setval(sequence, greatest(pg_sequence_last_value(sequence::regclass), (SELECT max(id) FROM staged_{table})))
FROM pg_get_serial_sequence('{table}', 'id') AS sequence;

INSERT INTO new_ids (old_id, id)
SELECT staged.id, CASE WHEN known.id IS NULL THEN staged.id ELSE nextval(pg_get_serial_sequence('{table}', 'id')) END
FROM staged_{table} AS staged
LEFT JOIN {table} AS known ON known.id = staged.id;

UPDATE imports
SET renumbered = renumbered || (SELECT coalesce(jsonb_object_agg(old_id, id), '{}') FROM new_ids WHERE old_id <> id)
WHERE database_number = {number} AND table_name = '{table}';
