//! One run of the purge. Each step is a transaction of its own, and takes what is derived from rows
//! along with them, so that a run which ends half-way, whatever the cause, leaves nothing to repair:
//! the next one goes on from there.

use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::{
    db,
    retention::{self, LogExpiry},
    service::Shutdown,
};

use crate::snapshots;

/// Rows that one statement removes at most.
const STEP: i64 = 20_000;
/// Pages of a partition whose expired rows go in one transaction: some 20,000 rows.
const PAGES: i64 = 1024;
/// Partitions that are dropped together: each holds some ten locks of the server's few thousand.
const PARTITIONS_AT_ONCE: usize = 32;
/// The catch-all of the past is emptied row by row up to this size. From here on that would take
/// longer than everything else.
const LARGE: i64 = 256 << 20;
/// Far longer than an envelope can wait in Redis.
const BATCHES_KEPT: TimeDelta = TimeDelta::days(7);

/// What a run did, or with `dry_run` would do.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) partitions_made: i32,
    pub(crate) partitions_dropped: usize,
    pub(crate) rows_removed: u64,
    pub(crate) batches_removed: u64,
    pub(crate) rejects_removed: u64,
    pub(crate) peers_removed: u64,
    pub(crate) nodes_removed: u64,
    pub(crate) horizon: DateTime<Utc>,
    pub(crate) dry_run: bool,
    /// False if something is left for the next run: after a SIGTERM, or when locks were never free.
    pub(crate) complete: bool,
    pub(crate) duration_ms: u128,
    pub(crate) partitions_ahead_days: i64,
}

/// Waits for any other purge of this schema to end, then removes what has expired. `None` if asked
/// to stop before that.
pub(crate) async fn run(
    db: &db::Client,
    log_expiry_h: LogExpiry,
    dry_run: bool,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Summary>> {
    let started = Instant::now();
    if dry_run {
        db.batch_execute("SET default_transaction_read_only = on").await?;
    } else {
        let lock = db.execute(include_str!("lock.sql"), &[]);
        let Some(locked) = shutdown.run_until_cancelled(lock).await else {
            return Ok(None);
        };
        locked.context("waiting for another purge")?;
    }
    let start = db
        .query_one(include_str!("start.sql"), &[&log_expiry_h.hours()])
        .await
        .context("LOG_EXPIRY_H")?;
    let mut purge = Purge {
        db,
        shutdown,
        now: start.get(0),
        summary: Summary { horizon: start.get(1), complete: true, dry_run, ..Summary::default() },
    };
    purge.make_partitions(log_expiry_h).await.context("making partitions")?;
    purge.fold_counts().await.context("adding up counts")?;
    let all_dropped = purge.drop_partitions().await.context("dropping partitions")?;
    purge.remove_rows().await.context("removing rows")?;
    purge.summary.batches_removed =
        purge.remove_expired("ingest_batches", purge.now - BATCHES_KEPT).await?;
    purge.summary.rejects_removed =
        purge.remove_expired("ingest_rejects", purge.summary.horizon).await?;
    // Rows beyond the horizon are not looked for, so what belongs to them may go only after them.
    if all_dropped {
        purge.remove_targets().await.context("removing targets")?;
        purge.remove_peers().await.context("removing connections")?;
    }
    let mut summary = purge.summary;
    summary.complete &= !shutdown.is_cancelled();
    let seconds_ahead: i64 = db.query_one(retention::SECONDS_AHEAD, &[]).await?.get(0);
    summary.partitions_ahead_days = seconds_ahead.div_euclid(86_400);
    summary.duration_ms = started.elapsed().as_millis();
    Ok(Some(summary))
}

struct Purge<'a> {
    db: &'a db::Client,
    shutdown: &'a Shutdown,
    now: DateTime<Utc>,
    summary: Summary,
}

impl Purge<'_> {
    async fn make_partitions(&mut self, log_expiry_h: LogExpiry) -> anyhow::Result<()> {
        if self.summary.dry_run {
            return Ok(());
        }
        // Whoever waits for a table makes everyone after it wait as well.
        self.db.batch_execute("SET lock_timeout = '200ms'").await?;
        let attempt = async || retention::make_partitions(self.db, log_expiry_h).await;
        match self.patiently(attempt).await? {
            Some(made) => self.summary.partitions_made = made,
            None => self.postpone("make partitions"),
        }
        self.db.batch_execute("RESET lock_timeout").await?;
        Ok(())
    }

    /// Adds up what was noted of counts, so that little is left to do where others have to wait.
    async fn fold_counts(&self) -> anyhow::Result<()> {
        if !self.summary.dry_run {
            self.db.execute("SELECT fold_log_counts()", &[]).await?;
        }
        Ok(())
    }

    /// Drops the partitions whose whole range has expired; the catch-all of the past begins anew,
    /// up to where they ended. Says whether all are gone.
    async fn drop_partitions(&mut self) -> anyhow::Result<bool> {
        while !self.shutdown.is_cancelled() {
            let expired = self.expired_partitions().await?;
            if self.summary.dry_run {
                self.summary.partitions_dropped = bounded(&expired);
                return Ok(true);
            }
            if !expired.iter().any(|partition| !partition.is_past || partition.bytes > LARGE) {
                return Ok(true);
            }
            let group = &expired[..expired.len().min(PARTITIONS_AT_ONCE)];
            let mut rows = 0;
            for partition in group {
                rows += self.rows_of(partition).await?;
            }
            let names: Vec<_> = group.iter().map(|partition| partition.name.as_str()).collect();
            let slices: Vec<_> = group.iter().filter_map(|part| part.slices.as_deref()).collect();
            let renew_view = if slices.is_empty() {
                String::new()
            } else {
                format!("SELECT renew_log_view('{{{}}}');", slices.join(","))
            };
            let sql = include_str!("drop_partitions.sql")
                .replace("{partitions}", &names.join(", "))
                .replace("{renew_view}", &renew_view)
                .replace("{dropped}", &[names, slices].concat().join(", "))
                .replace("{upper_bound}", &group[group.len() - 1].upper_bound);
            if self.patiently(async || self.db.batch_execute(&sql).await).await?.is_none() {
                self.postpone("drop partitions");
                return Ok(false);
            }
            self.summary.rows_removed += rows;
            self.summary.partitions_dropped += bounded(group);
        }
        Ok(false)
    }

    async fn expired_partitions(&self) -> Result<Vec<Partition>, db::Error> {
        let rows =
            self.db.query(include_str!("expired_partitions.sql"), &[&self.summary.horizon]).await?;
        Ok(rows
            .iter()
            .map(|row| Partition {
                name: row.get(0),
                upper_bound: row.get(1),
                bytes: row.get(2),
                counted: row.get::<_, i64>(3).unsigned_abs(),
                is_past: row.get(4),
                slices: row.get(5),
            })
            .collect())
    }

    /// How many rows go with a partition, by what was counted of nodes. Those that come before its
    /// drop, expired on arrival, are not in it.
    async fn rows_of(&self, partition: &Partition) -> anyhow::Result<u64> {
        let sql = include_str!("count_unidentified.sql").replace("{table}", &partition.name);
        let unidentified = count(&self.db.query_one(&sql, &[]).await?, 0)?;
        Ok(partition.counted + unidentified)
    }

    /// Removes expired rows from where others stay, and those that came too late for their partition.
    async fn remove_rows(&mut self) -> anyhow::Result<()> {
        let horizon = self.summary.horizon;
        if self.summary.dry_run {
            let expired = include_str!("count_expired_logs.sql");
            self.summary.rows_removed = count(&self.db.query_one(expired, &[&horizon]).await?, 0)?;
            return Ok(());
        }
        let partitions = include_str!("partly_expired_partitions.sql");
        for partition in self.db.query(partitions, &[&horizon]).await? {
            let (name, slices): (&str, Option<&str>) = (partition.get(0), partition.get(1));
            if let Some(slices) = slices {
                self.unpack(name, slices).await.context("unpacking slices")?;
            }
            self.remove_rows_of(name).await?;
        }
        Ok(())
    }

    /// Makes rows of slices again, of which some have expired.
    async fn unpack(&mut self, partition: &str, slices: &str) -> anyhow::Result<()> {
        let named = |sql: &str| sql.replace("{partition}", partition).replace("{slices}", slices);
        self.db.execute(&named(include_str!("unpack.sql")), &[]).await?;
        let sql = named(include_str!("drop_slices.sql"));
        let is_done = snapshots::older_ones_end(self.db, self.shutdown).await?
            && self.patiently(async || self.db.batch_execute(&sql).await).await?.is_some();
        if !is_done {
            self.postpone("drop slices");
        }
        Ok(())
    }

    async fn remove_rows_of(&mut self, partition: &str) -> anyhow::Result<()> {
        let horizon = self.summary.horizon;
        let find = include_str!("find_rows.sql").replace("{table}", partition);
        let remove = include_str!("remove_rows.sql").replace("{table}", partition);
        for place in self.db.query(&find, &[&horizon, &PAGES]).await? {
            if self.shutdown.is_cancelled() {
                break;
            }
            let pages: [&str; 2] = [place.get(0), place.get(1)];
            match self.patiently(async || self.remove_step(&remove, pages).await).await? {
                Some(removed) => self.summary.rows_removed += count(&removed, 0)?,
                None => self.postpone("remove rows"),
            }
        }
        Ok(())
    }

    /// Removes the expired rows from one place on to another, and what was derived from them.
    async fn remove_step(&self, remove: &str, pages: [&str; 2]) -> Result<db::Row, db::Error> {
        let horizon = self.summary.horizon;
        self.db.batch_execute("BEGIN").await?;
        let removed = self.db.query_one(remove, &[&pages[0], &pages[1], &horizon]).await?;
        let reporters: Vec<i64> = removed.get(1);
        if !reporters.is_empty() {
            self.db.execute(include_str!("renew_reports.sql"), &[&reporters, &horizon]).await?;
        }
        self.db.batch_execute("COMMIT").await?;
        Ok(removed)
    }

    /// Removes the rows of `table` that are older than `horizon`, and says how many.
    async fn remove_expired(&self, table: &str, horizon: DateTime<Utc>) -> anyhow::Result<u64> {
        if self.summary.dry_run {
            return self.count_expired(table, horizon).await;
        }
        let sql = include_str!("remove_expired.sql").replace("{table}", table);
        let mut total = 0;
        while !self.shutdown.is_cancelled() {
            let removed = self.db.execute(&sql, &[&horizon, &STEP]).await;
            let removed = removed.with_context(|| format!("emptying {table}"))?;
            total += removed;
            if removed < STEP.unsigned_abs() {
                break;
            }
        }
        Ok(total)
    }

    async fn count_expired(&self, table: &str, horizon: DateTime<Utc>) -> anyhow::Result<u64> {
        let sql = include_str!("count_expired.sql").replace("{table}", table);
        count(&self.db.query_one(&sql, &[&horizon]).await?, 0)
    }

    /// Forgets which targets there were before the horizon.
    async fn remove_targets(&self) -> anyhow::Result<()> {
        if !self.summary.dry_run {
            self.db.execute(include_str!("remove_targets.sql"), &[&self.summary.horizon]).await?;
        }
        Ok(())
    }

    /// Removes connections that have neither rows nor a live socket, and nodes that have no
    /// connection left.
    async fn remove_peers(&mut self) -> anyhow::Result<()> {
        let mut after = -1;
        let mut found = Vec::new();
        while !self.shutdown.is_cancelled() {
            let sql = include_str!("unused_peers.sql");
            let rows =
                self.db.query(sql, &[&self.now, &self.summary.horizon, &after, &STEP]).await?;
            let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            let Some(last) = ids.last() else { break };
            after = *last;
            if self.summary.dry_run {
                found.extend(ids);
                continue;
            }
            let sql = include_str!("remove_peers.sql");
            match self.patiently(async || self.db.query_one(sql, &[&ids, &self.now]).await).await? {
                Some(removed) => {
                    self.summary.peers_removed += count(&removed, 0)?;
                    self.summary.nodes_removed += count(&removed, 1)?;
                }
                None => self.postpone("remove connections"),
            }
        }
        if self.summary.dry_run {
            self.summary.peers_removed = u64::try_from(found.len())?;
            let nodes = self.db.query_one(include_str!("count_nodes.sql"), &[&found]).await?;
            self.summary.nodes_removed = count(&nodes, 0)?;
        }
        Ok(())
    }

    /// See [`db::patiently`].
    async fn patiently<T>(
        &self,
        statement: impl AsyncFn() -> Result<T, db::Error>,
    ) -> Result<Option<T>, db::Error> {
        db::patiently(self.db, self.shutdown, statement).await
    }

    fn postpone(&mut self, what: &str) {
        self.summary.complete = false;
        tracing::warn!(
            what,
            "others held the locks all the time, so this is left for the next run"
        );
    }
}

/// A partition of which every row has expired.
struct Partition {
    name: String,
    upper_bound: String,
    bytes: i64,
    counted: u64,
    is_past: bool,
    /// The partition with its slices.
    slices: Option<String>,
}

/// How many of them are not the catch-all of the past, which is always there.
fn bounded(partitions: &[Partition]) -> usize {
    partitions.iter().filter(|partition| !partition.is_past).count()
}

fn count(row: &db::Row, column: usize) -> anyhow::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column))?)
}
