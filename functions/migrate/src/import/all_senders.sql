-- Every connection that came.
INSERT INTO senders (id) SELECT id FROM staged_peer_connections;
