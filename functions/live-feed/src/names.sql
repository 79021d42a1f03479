-- The peer ids of these nodes. $1: their keys.
SELECT id, peer_id FROM nodes WHERE id = ANY($1::bigint[])
