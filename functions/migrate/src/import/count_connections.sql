UPDATE imports
SET stored = stored + (SELECT count(*) FROM senders JOIN peer_connections AS peer ON peer.id = {first} + senders.id)
WHERE database_number = {number} AND table_name = '{table}';
