-- The indexes of version 0.1.4, made at once rather than row by row.
SET maintenance_work_mem = '512MB';
CREATE INDEX ON v0_1_4.substrate_logs ((logs ->> 'msg'));
CREATE INDEX ON v0_1_4.substrate_logs (created_at, (logs ->> 'msg'));
CREATE INDEX ON v0_1_4.substrate_logs USING gin ((logs #> '{state,peerset,nodes}'));
CREATE INDEX ON v0_1_4.substrate_logs (peer_connection_id);
ALTER TABLE v0_1_4.substrate_logs ADD FOREIGN KEY (peer_connection_id) REFERENCES v0_1_4.peer_connections;
