//! A connection that stores, its statements prepared once.

use shared::{
    db::{self, Client, Statement, Transaction},
    row::{COUNT_NOTE_COLUMNS, LOG_COLUMNS, REJECT_COLUMNS},
};

/// Server settings. Losing a commit that was acknowledged would lose messages, since Redis has
/// dropped them by then; waiting for a lock for longer than a purge needs means that something is
/// wrong, and trying again is better.
const SETTINGS: &str = "-c synchronous_commit=on -c lock_timeout=10s -c statement_timeout=60s \
                        -c idle_in_transaction_session_timeout=60s";

/// A connection of a worker's.
pub struct Session {
    client: Client,
    statements: Statements,
}

/// What is sent with every transaction.
pub struct Statements {
    pub remember_batches: Statement,
    pub save_peers: Statement,
    pub copy_rows: Statement,
    pub copy_rejects: Statement,
    pub copy_notes: Statement,
    pub save_targets: Statement,
    pub save_report: Statement,
    pub add_totals: Statement,
}

impl Session {
    /// Connects to the database.
    pub async fn open(url: &db::Url) -> anyhow::Result<Self> {
        let client = db::connect(url, env!("CARGO_PKG_NAME"), SETTINGS).await?;
        let copy = |table, columns| format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let statements = Statements {
            remember_batches: client.prepare(include_str!("remember_batches.sql")).await?,
            save_peers: client.prepare(include_str!("save_peers.sql")).await?,
            copy_rows: client.prepare(&copy("log_rows", LOG_COLUMNS)).await?,
            copy_rejects: client.prepare(&copy("ingest_rejects", REJECT_COLUMNS)).await?,
            copy_notes: client.prepare(&copy("log_count_notes", COUNT_NOTE_COLUMNS)).await?,
            save_targets: client.prepare(include_str!("save_targets.sql")).await?,
            save_report: client.prepare(include_str!("save_report.sql")).await?,
            add_totals: client.prepare(include_str!("add_totals.sql")).await?,
        };
        Ok(Self { client, statements })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Begins a transaction.
    pub async fn begin(&mut self) -> Result<(Transaction<'_>, &Statements), db::Error> {
        Ok((self.client.transaction().await?, &self.statements))
    }
}
