-- From which addresses these connections came. $1: their ids.
SELECT id, ip_addr FROM peer_connections WHERE id = ANY($1::bigint[])
