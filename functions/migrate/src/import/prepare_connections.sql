-- Makes all connections of the old database, which are there by now, ready to be looked up. What ws-ingest would not take for a
-- peer id is none, and the longest could not be indexed.
UPDATE old_connections SET peer_id = NULL WHERE octet_length(peer_id) NOT BETWEEN 1 AND 128;
ALTER TABLE old_connections ADD PRIMARY KEY (id);
ANALYZE old_connections
