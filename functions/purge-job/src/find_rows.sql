-- Notes where the expired rows of a partition are: looked for once, however many steps their removal takes.
DECLARE expired NO SCROLL CURSOR WITH HOLD FOR SELECT ctid::text FROM {table} WHERE created_at < $1
