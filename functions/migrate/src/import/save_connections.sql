-- Saves the connections in senders. One that the old database has lost, though not its messages, has a row that says so. Nobody
-- can tell whether it was audit: it counts as such, since a message that is kept in vain can still be removed.
INSERT INTO peer_connections AS known (
    id, ip_addr, peer_id, node_id, created_at, audit, name, chain, version, authority, startup_time, implementation, last_seen,
    newest_log_at
)
SELECT {first} + sender.id, coalesce(ip_addr, 'unknown'), peer_id, node_id(peer_id), opened_at, coalesce(audit, old.id IS NULL),
       name, chain, version, authority, startup_time, implementation, greatest(opened_at, least(coalesce(newest, opened_at), now())),
       newest
FROM senders AS sender
LEFT JOIN old_connections AS old ON old.id = sender.id
CROSS JOIN LATERAL (SELECT coalesce(old.created_at, oldest, 'epoch')) AS opening (opened_at)
ORDER BY 1
ON CONFLICT (id) DO UPDATE SET
    newest_log_at = greatest(known.newest_log_at, excluded.newest_log_at),
    last_seen = greatest(known.last_seen, excluded.last_seen);
