-- The peer ids of the nodes, by their number.
SELECT peer_id FROM material.peer WHERE is_node ORDER BY number
