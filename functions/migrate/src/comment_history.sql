-- Describes the migration tool's own table like every other.
COMMENT ON TABLE refinery_schema_history IS 'The migrations that this database has.';
COMMENT ON COLUMN refinery_schema_history.version IS 'Number of the migration.';
COMMENT ON COLUMN refinery_schema_history.name IS 'Name of the migration.';
COMMENT ON COLUMN refinery_schema_history.applied_on IS 'When it was applied.';
COMMENT ON COLUMN refinery_schema_history.checksum IS 'Tells whether its file has changed since.';
