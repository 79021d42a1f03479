-- How many rows of a partition belong to a node, and how many there are, both up to $1.
SELECT (SELECT count(*) FROM (SELECT FROM {partition} WHERE node_id IS NOT NULL LIMIT $1) AS identified),
       (SELECT count(*) FROM (SELECT FROM {partition} LIMIT $1) AS every)
