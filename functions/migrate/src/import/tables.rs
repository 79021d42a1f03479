//! The tables of version 0.1.4, and what is done with their rows.

use std::collections::BTreeSet;

/// A table of version 0.1.4.
pub(super) struct Table {
    /// Its name there.
    pub(super) name: &'static str,
    /// The table of our session that its rows come to.
    pub(super) staging: &'static str,
    /// What is read of it, its `id` first. One that a release lacks is null.
    columns: &'static [(&'static str, Kind)],
    /// What stores a step's rows, one after the other.
    pub(super) store: &'static [&'static str],
}

/// What a column is read as, whatever its type there.
#[derive(Clone, Copy)]
enum Kind {
    /// An id of this or of another table.
    Key,
    Text,
    Json,
    /// In UTC where it has no zone.
    Time,
    Flag,
    /// A whole number; some releases have it as text, perhaps with a unit behind it.
    Number,
}

use Kind::{Flag, Json, Key, Number, Text, Time};

pub(super) const CONNECTIONS: Table = Table {
    name: "peer_connections",
    staging: "staged_peer_connections",
    columns: &[
        ("id", Key),
        ("ip_addr", Text),
        ("peer_id", Text),
        ("created_at", Time),
        ("audit", Flag),
        ("name", Text),
        ("chain", Text),
        ("version", Text),
        ("authority", Flag),
        ("startup_time", Number),
        ("implementation", Text),
    ],
    store: &[
        include_str!("all_senders.sql"),
        include_str!("save_connections.sql"),
        include_str!("count_connections.sql"),
        include_str!("save_nodes.sql"),
    ],
};

const LOGS: Table = Table {
    name: "tetcore_logs",
    staging: "staged_logs",
    columns: &[("id", Key), ("created_at", Time), ("logs", Json), ("peer_connection_id", Key)],
    store: &[
        include_str!("find_senders.sql"),
        include_str!("save_connections.sql"),
        include_str!("insert_logs.sql"),
        include_str!("save_nodes.sql"),
        include_str!("derive.sql"),
    ],
};

/// All of them, in the order in which they are taken over: what others refer to first.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "host_systems",
        staging: "staged_host_systems",
        columns: &[
            ("id", Key),
            ("description", Text),
            ("os", Text),
            ("cpu_qty", Number),
            ("cpu_clock", Number),
            ("ram_mb", Number),
            ("disk_info", Text),
        ],
        store: &[include_str!("choose_ids.sql"), include_str!("insert_host_systems.sql")],
    },
    Table {
        name: "benchmarks",
        staging: "staged_benchmarks",
        columns: &[
            ("id", Key),
            ("setup", Json),
            ("benchmark_spec", Json),
            ("chain_spec", Json),
            ("description", Text),
            ("host_system_id", Key),
            ("ts_start", Time),
            ("ts_end", Time),
            ("created_at", Time),
        ],
        store: &[include_str!("choose_ids.sql"), include_str!("insert_benchmarks.sql")],
    },
    Table {
        name: "benchmark_events",
        staging: "staged_benchmark_events",
        columns: &[
            ("id", Key),
            ("benchmark_id", Key),
            ("name", Text),
            ("phase", Text),
            ("created_at", Time),
        ],
        store: &[include_str!("choose_ids.sql"), include_str!("insert_benchmark_events.sql")],
    },
    CONNECTIONS,
    // The name that tetcore_logs had before.
    Table { name: "substrate_logs", ..LOGS },
    LOGS,
];

impl Table {
    /// A query of its rows, which has these columns.
    pub(super) fn query(&self, present: &BTreeSet<String>) -> String {
        let columns = self.columns.iter().map(|&(name, kind)| {
            if present.contains(name) { kind.read(name) } else { format!("NULL::{}", kind.sql()) }
        });
        let columns: Vec<String> = columns.collect();
        format!("SELECT {} FROM {} AS old", columns.join(", "), self.name)
    }

    /// The columns of a table that takes the rows of that query.
    pub(super) fn definition(&self) -> String {
        let columns = self.columns.iter().map(|(name, kind)| format!("{name} {}", kind.sql()));
        columns.collect::<Vec<_>>().join(", ")
    }
}

impl Kind {
    /// Its type here.
    fn sql(self) -> &'static str {
        match self {
            Key | Number => "bigint",
            Text => "text",
            Json => "jsonb",
            Time => "timestamptz",
            Flag => "boolean",
        }
    }

    fn read(self, column: &str) -> String {
        match self {
            Number => {
                format!(r"substring(old.{column}::text FROM '^\s*(-?\d{{1,18}})(?!\d)')::bigint")
            }
            _ => format!("old.{column}::{}", self.sql()),
        }
    }
}
