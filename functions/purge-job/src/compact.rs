//! One run of the compaction: messages of older partitions go into slices, a partition a time. Each
//! step is a transaction of its own that leaves every message in exactly one place, so that a run
//! which ends half-way leaves nothing to repair: the next one goes on from there.

use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use shared::{db, retention::LogExpiry, service::Shutdown};

use crate::snapshots;

/// Messages in a slice at the most. With twice as many a message takes 2 % less room, with half as
/// many 15 % more; a query that wants one message unpacks all of them, in 0.1 ms.
const SLICE_MESSAGES: i64 = 256;
/// Bytes of messages in a slice, beyond which none is added.
const SLICE_BYTES: i64 = 1 << 20;
/// Pages of a partition that one transaction packs: 1 GiB, of which nodes that send little still have
/// enough for a slice.
const PAGES: i64 = 1 << 17;
/// Rows that are left alone in a partition that has slices: those that came late, and those of nodes
/// that have not told who they are.
const FEW: i64 = 1000;
/// Pages of a partition with few rows from which on most of it must be the room of removed ones.
const MUCH: i64 = 512;

/// What a run did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) partitions_packed: u64,
    pub(crate) messages_packed: u64,
    /// Of the partitions that were packed, with their indexes.
    pub(crate) bytes_before: i64,
    pub(crate) bytes_after: i64,
    /// False if something is left for the next run: after a SIGTERM, or when locks were never free.
    pub(crate) complete: bool,
    pub(crate) duration_ms: u128,
}

/// Waits for any purge of this schema to end, then packs what is older than `compact_after_h`, and
/// not about to expire; nothing if that is 0. `None` if asked to stop before that.
pub(crate) async fn run(
    db: &db::Client,
    compact_after_h: u32,
    log_expiry_h: LogExpiry,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Summary>> {
    let started = Instant::now();
    let lock = db.execute(include_str!("lock.sql"), &[]);
    let Some(locked) = shutdown.run_until_cancelled(lock).await else {
        return Ok(None);
    };
    locked.context("waiting for another purge or compaction")?;
    let summary = Summary { complete: true, ..Summary::default() };
    let mut compaction = Compaction { db, shutdown, summary };
    let hours = [i64::from(compact_after_h), log_expiry_h.hours()];
    let partitions = match compact_after_h {
        0 => Vec::new(),
        _ => db.query(include_str!("compact/old_partitions.sql"), &[&hours[0], &hours[1]]).await?,
    };
    for partition in partitions.iter().map(Partition::from) {
        let packed = compaction.pack(&partition).await;
        packed.with_context(|| format!("packing {}", partition.name))?;
    }
    let mut summary = compaction.summary;
    summary.duration_ms = started.elapsed().as_millis();
    Ok(Some(summary))
}

struct Compaction<'a> {
    db: &'a db::Client,
    shutdown: &'a Shutdown,
    summary: Summary,
}

impl Compaction<'_> {
    async fn pack(&mut self, partition: &Partition) -> anyhow::Result<()> {
        if !self.take_turn(partition, partition.has_slices).await? {
            return Ok(());
        }
        let (identified, _) = self.rows(partition).await?;
        let is_worthwhile = identified > if partition.is_packed { FEW } else { 0 };
        if is_worthwhile {
            let before = self.bytes(partition).await?;
            if !partition.has_slices
                && !self.locked(&partition.sql(include_str!("compact/make_slices.sql"))).await?
            {
                return Ok(());
            }
            let mut first = 0;
            while first < partition.pages {
                self.pack_pages(partition, first).await?;
                first += PAGES;
                if !self.take_turn(partition, true).await? {
                    return Ok(());
                }
            }
            self.give_back(partition).await?;
            self.summary.partitions_packed += 1;
            self.summary.bytes_before += before;
            self.summary.bytes_after += self.bytes(partition).await?;
        } else if partition.is_packed && partition.pages > MUCH {
            // An earlier run packed them, and got no further.
            self.give_back(partition).await?;
        }
        Ok(())
    }

    /// Lets a purge go first that has waited meanwhile. Says whether there is still something to do:
    /// nobody asked to stop, and the purge left the partition there, with its slices if it had some.
    async fn take_turn(&mut self, partition: &Partition, has_slices: bool) -> anyhow::Result<bool> {
        let turn = async {
            self.db.execute(include_str!("unlock.sql"), &[]).await?;
            self.db.execute(include_str!("lock.sql"), &[]).await
        };
        let Some(turn) = self.shutdown.run_until_cancelled(turn).await else {
            self.summary.complete = false;
            return Ok(false);
        };
        turn.context("waiting for a purge")?;
        let sql = partition.sql(include_str!("compact/is_there.sql"));
        let is_there = self.db.query_one(&sql, &[]).await?;
        Ok(is_there.get(0) && is_there.get::<_, bool>(1) == has_slices)
    }

    async fn pack_pages(&mut self, partition: &Partition, first: i64) -> anyhow::Result<()> {
        let sql = partition.sql(include_str!("compact/pack.sql"));
        let places = [first, first + PAGES].map(|page| format!("({page},0)"));
        let parameters: [&(dyn db::ToSql + Sync); 4] =
            [&places[0], &places[1], &SLICE_MESSAGES, &SLICE_BYTES];
        let packed: i64 = self.db.query_one(&sql, &parameters).await?.get(0);
        self.summary.messages_packed += packed.unsigned_abs();
        Ok(())
    }

    /// Gives back the room of rows that are in slices now, if only few are left.
    async fn give_back(&mut self, partition: &Partition) -> anyhow::Result<()> {
        let (_, left) = self.rows(partition).await?;
        if left > FEW {
            return Ok(());
        }
        if snapshots::older_ones_end(self.db, self.shutdown).await? {
            self.locked(&partition.sql(include_str!("compact/give_back.sql"))).await?;
        } else {
            self.summary.complete = false;
            tracing::warn!(
                partition = partition.name,
                "others may still see the messages in their old place, so its room is given back by the next run"
            );
        }
        Ok(())
    }

    /// How many rows of a partition belong to a node, and how many there are; of both, no more than
    /// some are counted.
    async fn rows(&self, partition: &Partition) -> anyhow::Result<(i64, i64)> {
        let sql = partition.sql(include_str!("compact/count_rows.sql"));
        let rows = self.db.query_one(&sql, &[&(FEW + 1)]).await?;
        Ok((rows.get(0), rows.get(1)))
    }

    /// The bytes of a partition, its slices included, with indexes.
    async fn bytes(&self, partition: &Partition) -> anyhow::Result<i64> {
        let sql = partition.sql(include_str!("compact/bytes.sql"));
        Ok(self.db.query_one(&sql, &[]).await?.get(0))
    }

    /// Runs statements that need locks: whether they were free.
    async fn locked(&mut self, sql: &str) -> anyhow::Result<bool> {
        let run = db::patiently(self.db, self.shutdown, async || self.db.batch_execute(sql).await);
        let is_done = run.await?.is_some();
        if !is_done {
            self.summary.complete = false;
            tracing::warn!("others held the locks all the time, so this is left for the next run");
        }
        Ok(is_done)
    }
}

/// A partition whose messages are to be in slices.
struct Partition {
    name: String,
    lower_bound: String,
    upper_bound: String,
    /// The partition for its slices.
    slices: String,
    has_slices: bool,
    is_packed: bool,
    pages: i64,
    is_audit: bool,
}

impl From<&db::Row> for Partition {
    fn from(row: &db::Row) -> Self {
        Self {
            name: row.get(0),
            lower_bound: row.get(1),
            upper_bound: row.get(2),
            slices: row.get(3),
            has_slices: row.get(4),
            is_packed: row.get(5),
            pages: row.get(6),
            is_audit: row.get(7),
        }
    }
}

impl Partition {
    /// A statement with what it says of this partition.
    fn sql(&self, template: &str) -> String {
        let parent = if self.is_audit { "log_slices_audit" } else { "log_slices_expiring" };
        template
            .replace("{partition}", &self.name)
            .replace("{slices}", &self.slices)
            .replace("{parent}", parent)
            .replace("{lower_bound}", &self.lower_bound)
            .replace("{upper_bound}", &self.upper_bound)
    }
}
