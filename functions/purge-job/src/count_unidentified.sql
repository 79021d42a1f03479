-- How many rows of a partition belong to no node yet, which are in no count.
SELECT count(*) FROM {table} WHERE node_id IS NULL
