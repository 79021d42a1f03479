-- The indexes of version 0.1.4; its primary key was made with the table.
CREATE INDEX ON v0_1_4.substrate_logs ((logs ->> 'msg'));
CREATE INDEX ON v0_1_4.substrate_logs (created_at, (logs ->> 'msg'));
CREATE INDEX ON v0_1_4.substrate_logs USING gin ((logs #> '{state,peerset,nodes}'));
