-- Stores the messages that came. Their ids are the sequence's, in the old order.
WITH inserted AS (
    INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
    SELECT created_at, peer_connection_id, node_id, audit, msg, logs
    FROM messages
    WHERE skipped IS NULL
    ORDER BY old_id
    RETURNING true
)
UPDATE imports
SET stored = stored + (SELECT count(*) FROM inserted),
    expired = expired + (SELECT count(*) FROM messages WHERE skipped = 'expired'),
    incomplete = incomplete + (SELECT count(*) FROM messages WHERE skipped = 'incomplete')
WHERE database_number = {number} AND table_name = '{table}';
