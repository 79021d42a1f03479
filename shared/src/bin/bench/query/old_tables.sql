-- The tables of version 0.1.4. Without write-ahead log, since none of them is read from it.
CREATE SCHEMA v0_1_4;
CREATE UNLOGGED TABLE v0_1_4.peer_connections (
    id serial PRIMARY KEY,
    ip_addr varchar NOT NULL,
    peer_id varchar,
    created_at timestamp NOT NULL DEFAULT now(),
    audit boolean NOT NULL DEFAULT false,
    name varchar,
    chain varchar,
    version varchar,
    authority boolean,
    startup_time bigint,
    implementation varchar
);
CREATE UNLOGGED TABLE v0_1_4.substrate_logs (
    id serial PRIMARY KEY,
    created_at timestamp NOT NULL DEFAULT now(),
    logs jsonb NOT NULL,
    peer_connection_id integer NOT NULL
);
