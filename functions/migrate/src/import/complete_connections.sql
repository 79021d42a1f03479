-- Connections of which an earlier run did not know the node, as the old database did not yet: they and their rows get it.
WITH completed AS (
    UPDATE peer_connections AS known
    SET peer_id = old.peer_id, node_id = node_id(old.peer_id), name = old.name, chain = old.chain, version = old.version,
        authority = old.authority, startup_time = old.startup_time, implementation = old.implementation
    FROM old_connections AS old
    WHERE known.id = {first} + old.id AND known.peer_id IS NULL AND old.peer_id IS NOT NULL
    RETURNING old.id
)
INSERT INTO senders (id) SELECT id FROM completed;
