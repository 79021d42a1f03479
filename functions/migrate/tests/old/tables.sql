-- The tables of version 0.1.4, as far as an import reads them.
CREATE TABLE peer_connections (
    id serial PRIMARY KEY,
    ip_addr varchar,
    peer_id varchar,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    audit boolean NOT NULL DEFAULT false,
    name varchar,
    chain varchar,
    version varchar,
    authority boolean,
    startup_time bigint,
    implementation varchar
);
CREATE TABLE tetcore_logs (
    id bigserial PRIMARY KEY,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    logs jsonb,
    peer_connection_id integer
);
CREATE TABLE host_systems (
    id serial PRIMARY KEY,
    description varchar NOT NULL,
    os varchar NOT NULL,
    cpu_qty integer NOT NULL,
    cpu_clock integer NOT NULL,
    ram_mb integer NOT NULL,
    disk_info varchar NOT NULL
);
CREATE TABLE benchmarks (
    id serial PRIMARY KEY,
    setup jsonb NOT NULL,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE TABLE benchmark_events (
    id serial PRIMARY KEY,
    benchmark_id integer NOT NULL,
    name varchar NOT NULL,
    phase varchar NOT NULL,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
