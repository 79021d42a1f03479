-- An older release: other names, fewer columns, other types; benchmarks in their first form, and no events.
CREATE SCHEMA analytics;
SET search_path = analytics;
CREATE TABLE peer_connections (
    id serial PRIMARY KEY, ip_addr varchar NOT NULL, peer_id varchar, created_at timestamp NOT NULL
);
CREATE TABLE substrate_logs (
    id serial PRIMARY KEY, created_at timestamptz NOT NULL, logs jsonb NOT NULL, peer_connection_id integer NOT NULL
);
CREATE VIEW tetcore_logs AS SELECT * FROM substrate_logs;
CREATE TABLE host_systems (id serial PRIMARY KEY, description text, os text, cpu_qty smallint, cpu_clock text, ram_mb bigint);
CREATE TABLE benchmarks (
    id serial PRIMARY KEY, ts_start timestamp NOT NULL, ts_end timestamp, description varchar, chain_spec jsonb, benchmark_spec jsonb,
    host_system_id integer NOT NULL
);
INSERT INTO peer_connections VALUES (1, '::1', 'A', '2021-06-07 08:09:10');
INSERT INTO substrate_logs VALUES
    (1, '2021-06-07 10:09:11.25+02', '{"msg": "system.interval"}', 1),
    (7, '2021-06-07 08:09:12Z', '{"msg": "system.interval"}', 1);
INSERT INTO host_systems VALUES (4, 'laptop', NULL, 4, ' 2600 MHz', 99999999999), (5, 'server', 'BSD', 8, 'fast', 1);
INSERT INTO benchmarks VALUES
    (1, '2021-06-07', '2021-06-08 12:00', 'first', '{"a": 1}', '{"b": 2}', 4),
    (2, '2021-06-09', NULL, NULL, NULL, NULL, 6);
