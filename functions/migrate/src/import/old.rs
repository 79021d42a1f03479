//! A database of version 0.1.4, as far as it can be read: its releases differ in tables, columns and
//! types. Nothing in it is changed.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;
use shared::db;

use super::tables::{TABLES, Table};

/// Its owner may have set limits that a long read would not keep.
const SESSION: &str = "-c default_transaction_read_only=on -c statement_timeout=0 \
                       -c idle_in_transaction_session_timeout=0";
/// Until it is looked again whether transactions have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// The old database, as it was at one moment.
pub(super) struct Old {
    pub(super) db: db::Client,
    /// Which one it is.
    pub(super) source: String,
    pub(super) tables: Vec<OldTable>,
}

/// A table that is there.
pub(super) struct OldTable {
    pub(super) table: &'static Table,
    /// A query of all its rows, in the columns of the table that they are staged in.
    pub(super) rows: String,
    /// Less than its smallest id.
    pub(super) beginning: i64,
    /// The greatest id that is taken over in this run.
    pub(super) end: i64,
}

impl Old {
    /// Connects, looks what is there, and holds on to this moment.
    pub(super) async fn open(url: &db::Url) -> anyhow::Result<Self> {
        let db = db::connect(url, super::NAME, SESSION).await?;
        let source = db.query_one(include_str!("source.sql"), &[]).await?.get(0);
        // The ids that there are, all seen at one moment; and the next transaction.
        db.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let mut tables = Vec::new();
        for table in TABLES {
            tables.extend(find(&db, table).await?);
        }
        let sql = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
        let next: i64 = db.query_one(sql, &[]).await?.get(0);
        db.batch_execute("COMMIT").await?;
        anyhow::ensure!(!tables.is_empty(), "there is no table of version 0.1.4 in {url}");

        let old = Self { db, source, tables };
        old.await_older_than(next).await?;
        old.db.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        Ok(old)
    }

    /// Waits for every transaction before `next`: one that is open still may commit a row whose id
    /// is smaller than the greatest one that was seen.
    async fn await_older_than(&self, next: i64) -> anyhow::Result<()> {
        let mut told = false;
        while self.db.query_one(include_str!("unfinished.sql"), &[&next]).await?.get(0) {
            if !told {
                tracing::info!("waiting for open transactions of the old database");
                told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// How many rows a table has up to an id, and how many of them behind another.
    pub(super) async fn count(
        &self,
        table: &Table,
        before: i64,
        end: i64,
    ) -> anyhow::Result<(i64, i64)> {
        let sql = include_str!("count.sql")
            .replace("{table}", table.name)
            .replace("{before}", &before.to_string())
            .replace("{end}", &end.to_string());
        let counts = self.db.query_one(&sql, &[]).await?;
        Ok((counts.get(0), counts.get(1)))
    }
}

/// What there is of `table`; nothing if it is missing.
async fn find(db: &db::Client, table: &'static Table) -> anyhow::Result<Option<OldTable>> {
    let columns = db.query(include_str!("columns.sql"), &[&table.name]).await?;
    let columns: BTreeSet<String> = columns.iter().map(|column| column.get(0)).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    anyhow::ensure!(
        columns.contains("id") && !columns.contains("node_id"),
        "{} in the old database is not of version 0.1.4",
        table.name
    );
    let sql = format!("SELECT min(id)::bigint, max(id)::bigint FROM {}", table.name);
    let bounds =
        db.query_one(&sql, &[]).await.with_context(|| format!("reading {}", table.name))?;
    let (first, last): (Option<i64>, Option<i64>) = (bounds.get(0), bounds.get(1));
    Ok(Some(OldTable {
        table,
        rows: table.query(&columns),
        beginning: first.unwrap_or(1) - 1,
        end: last.unwrap_or(0),
    }))
}
