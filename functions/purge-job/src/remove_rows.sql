-- Removes the rows at these places, unless another row has come to one of them meanwhile.
DELETE FROM {table} WHERE ctid = ANY ($1::text[]::tid[]) AND created_at < $2
