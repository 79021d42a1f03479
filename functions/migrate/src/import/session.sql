-- What an import needs in its session, beside a table for the rows of each old table on their way.

-- Connections that a step saves: their old ids, and the times of their messages in it.
CREATE TEMP TABLE senders (
    id bigint PRIMARY KEY,
    oldest timestamptz,
    newest timestamptz
) ON COMMIT DELETE ROWS;

-- Ids of rows of benchmark tables, there and here.
CREATE TEMP TABLE new_ids (
    old_id bigint PRIMARY KEY,
    id integer NOT NULL
) ON COMMIT DELETE ROWS;

-- A step's messages as they are stored here, or why they are not. One whose connection is not saved here has expired:
-- find_senders.sql leaves out no other.
CREATE TEMP VIEW messages AS
SELECT log.id AS old_id, log.created_at, sender.id AS peer_connection_id, node_id, coalesce(audit, false) AS audit,
       CASE jsonb_typeof(logs -> 'msg') WHEN 'string' THEN logs ->> 'msg' END AS msg, logs,
       CASE
           WHEN logs IS NULL OR log.created_at IS NULL THEN 'incomplete'
           WHEN audit IS NOT TRUE AND log.created_at < '{horizon}' THEN 'expired'
       END AS skipped
FROM staged_logs AS log
LEFT JOIN peer_connections AS sender ON sender.id = {first} + coalesce(log.peer_connection_id, 0);
