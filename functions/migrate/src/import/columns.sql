-- The columns of a table ($1) of the old database; none where there is no such table. A view of this name is no table.
SELECT attname::text
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
WHERE attrelid = to_regclass($1::text) AND relkind IN ('r', 'p', 'f') AND attnum > 0 AND NOT attisdropped
