-- Who sends: every connection of every node, and the nodes themselves.

CREATE FUNCTION node_id(peer_id text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ('x' || encode(substr(sha256(convert_to(peer_id, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint;

COMMENT ON FUNCTION node_id(text) IS
    'Key of a node: the first 8 bytes of the SHA-256 of its peer id, as a big-endian signed number. One for ever, however often the node reconnects.';

-- last_seen and newest_log_at change twice a minute while a node is connected. No index holds them and pages keep room, so
-- that such an update stays within its page (HOT) and leaves the indexes alone.
CREATE TABLE peer_connections (
    id bigint PRIMARY KEY,
    ip_addr text NOT NULL,
    peer_id text,
    created_at timestamptz NOT NULL,
    audit boolean NOT NULL,
    name text,
    chain text,
    version text,
    authority boolean,
    startup_time bigint,
    implementation text,
    node_id bigint,
    last_seen timestamptz NOT NULL,
    newest_log_at timestamptz
) WITH (fillfactor = 80);

CREATE INDEX peer_connections_node_id_created_at ON peer_connections (node_id, created_at DESC);
CREATE INDEX peer_connections_peer_id_created_at ON peer_connections (peer_id, created_at DESC);

COMMENT ON TABLE peer_connections IS 'One row for each node on each connection: a socket that carries two nodes has two.';
COMMENT ON COLUMN peer_connections.id IS 'Assigned by ws-ingest; tetcore_logs.peer_connection_id points here.';
COMMENT ON COLUMN peer_connections.ip_addr IS 'Address of the client, as the node''s end of the connection or as a trusted proxy reported it.';
COMMENT ON COLUMN peer_connections.peer_id IS 'The node''s network identity (libp2p peer id); null until the node has told it.';
COMMENT ON COLUMN peer_connections.created_at IS 'When the connection was opened, by the server''s clock.';
COMMENT ON COLUMN peer_connections.audit IS 'Connected to /audit: what it sends never expires.';
COMMENT ON COLUMN peer_connections.name IS 'The node''s name, from system.connected.';
COMMENT ON COLUMN peer_connections.chain IS 'The chain that the node follows, from system.connected.';
COMMENT ON COLUMN peer_connections.version IS 'The node software''s version, from system.connected.';
COMMENT ON COLUMN peer_connections.authority IS 'Whether the node runs as an authority, from system.connected.';
COMMENT ON COLUMN peer_connections.startup_time IS 'When the node started, in milliseconds since 1970, from system.connected.';
COMMENT ON COLUMN peer_connections.implementation IS 'The node software''s name, from system.connected.';
COMMENT ON COLUMN peer_connections.node_id IS 'node_id(peer_id); null until the peer id is known.';
COMMENT ON COLUMN peer_connections.last_seen IS 'When the connection was last known to be open, by the server''s clock; renewed every 30 s.';
COMMENT ON COLUMN peer_connections.newest_log_at IS 'The greatest tetcore_logs.created_at of this connection as last reported; null before its first message.';

CREATE TABLE nodes (
    id bigint PRIMARY KEY,
    peer_id text NOT NULL UNIQUE,
    peer_connection_id bigint NOT NULL,
    connected_at timestamptz NOT NULL,
    last_seen timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE nodes IS 'One row for each node, pointing to its latest connection, so that listing nodes reads no history.';
COMMENT ON COLUMN nodes.id IS 'node_id(peer_id).';
COMMENT ON COLUMN nodes.peer_id IS 'The node''s network identity (libp2p peer id).';
COMMENT ON COLUMN nodes.peer_connection_id IS 'peer_connections.id of the latest connection.';
COMMENT ON COLUMN nodes.connected_at IS 'peer_connections.created_at of the latest connection.';
COMMENT ON COLUMN nodes.last_seen IS 'peer_connections.last_seen of the latest connection.';

GRANT SELECT, INSERT, UPDATE ON peer_connections, nodes TO tetcore_flush;
GRANT SELECT ON peer_connections, nodes TO tetcore_query;
