-- The connections of the messages that came, of those that expire only where one has not. 0 stands for none.
INSERT INTO senders (id, oldest, newest)
SELECT coalesce(peer_connection_id, 0), min(log.created_at), max(log.created_at)
FROM staged_logs AS log
LEFT JOIN old_connections AS old ON old.id = coalesce(peer_connection_id, 0)
WHERE coalesce(audit, old.id IS NULL) OR log.created_at >= '{horizon}'
GROUP BY 1;
