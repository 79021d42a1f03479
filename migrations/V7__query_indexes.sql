-- What queries need to find their rows without reading others.
--
-- Building an index reads tetcore_logs, against the rule: no installation holds rows yet. On a large one, build each index
-- CONCURRENTLY on every partition first, in steps; those on the root then take them over and read nothing.

-- A node's rows by time, and by type within the index: `left(msg, 64) = left($1, 64) AND msg = $1` visits only rows of that
-- type. Not msg itself, which can be as long as a message, longer than an index entry.
CREATE INDEX tetcore_logs_node_id_created_at_msg ON tetcore_logs (node_id, created_at, left(msg, 64));
DROP INDEX tetcore_logs_node_id_created_at;

-- The targets of tracing messages: a query hops from one to the next.
CREATE INDEX tetcore_logs_target_created_at ON tetcore_logs (left(logs ->> 'target', 256), created_at)
WHERE msg IN ('tracing.profiling', 'tracing.event');

-- Nodes, the newest connection first. Holds nothing that changes while a node is connected, so that updates of last_seen leave
-- it alone.
CREATE INDEX nodes_connected_at_peer_connection_id ON nodes (connected_at DESC, peer_connection_id DESC);

-- For the targets of a benchmark's time.
GRANT SELECT (created_at, msg, logs) ON tetcore_logs TO tetcore_admin;
