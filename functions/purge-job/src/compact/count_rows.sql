-- How many rows of a partition belong to a node, and how many there are, both up to $1.
SELECT count(node_id), count(*) FROM (SELECT node_id FROM {partition} LIMIT $1) AS some
