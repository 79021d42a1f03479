//! When each message could first be seen by a query.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use shared::{db::Client, testing::Database};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

/// Between two looks; part of what is measured.
const PAUSE: Duration = Duration::from_millis(1);

/// Microseconds since 1970.
pub(crate) fn now_us() -> Result<i64> {
    Ok(i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_micros())?)
}

/// Notes, all the time, which transactions can be seen. PostgreSQL's own commit timestamps would leave out the
/// fsync.
pub(crate) struct Visibility {
    looking: JoinHandle<Result<Vec<Snapshot>>>,
    /// Dropped, it ends the looking.
    enough: oneshot::Sender<()>,
}

/// What could be seen at a moment: every transaction before `end` but those that were running.
#[derive(PartialEq)]
struct Snapshot {
    taken_us: i64,
    end: i64,
    running: BTreeSet<i64>,
}

impl Snapshot {
    /// From PostgreSQL's own form, `xmin:xmax:xip,xip…`.
    fn parse(taken_us: i64, text: &str) -> Option<Self> {
        let mut parts = text.split(':').skip(1);
        let end = parts.next()?.parse().ok()?;
        let running = parts.next()?.split(',').filter(|id| !id.is_empty());
        Some(Self {
            taken_us,
            end,
            running: running.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }

    fn shows(&self, transaction: i64) -> bool {
        transaction < self.end && !self.running.contains(&transaction)
    }
}

/// How long messages took from the sender's write until a query could see them, in milliseconds.
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Visibility {
    pub(crate) async fn watch(database: &Database) -> Self {
        let client = database.owner().await;
        let (enough, stop) = oneshot::channel();
        Self { looking: tokio::spawn(look(client, stop)), enough }
    }

    /// Ends the watch: the seen transactions go to a temporary table of `owner`'s, for [`latency`].
    pub(crate) async fn end(self, owner: &Client, since_us: i64) -> Result<()> {
        drop(self.enough);
        let seen = self.looking.await??;
        let rows = owner.query(include_str!("transactions.sql"), &[&since_us]).await?;
        let (mut ids, mut moments) = (Vec::new(), Vec::new());
        for row in rows {
            let id: i64 = row.get(0);
            // What can be seen once can be seen ever after.
            let first = seen.partition_point(|snapshot| !snapshot.shows(id));
            let snapshot = seen.get(first).context("a transaction came after the last look")?;
            ids.push(id);
            moments.push(snapshot.taken_us);
        }
        owner
            .batch_execute("CREATE TEMPORARY TABLE seen (transaction bigint, at_us bigint)")
            .await?;
        owner
            .execute(
                "INSERT INTO seen SELECT * FROM unnest($1::bigint[], $2::bigint[])",
                &[&ids, &moments],
            )
            .await?;
        Ok(())
    }
}

async fn look(client: Client, mut stop: oneshot::Receiver<()>) -> Result<Vec<Snapshot>> {
    let statement = client.prepare("SELECT pg_current_snapshot()::text").await?;
    let mut seen: Vec<Snapshot> = Vec::new();
    while matches!(stop.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
        let row = client.query_one(&statement, &[]).await?;
        let snapshot = Snapshot::parse(now_us()?, row.get(0)).context("not a snapshot")?;
        let news = seen
            .last()
            .is_none_or(|last| (last.end, &last.running) != (snapshot.end, &snapshot.running));
        if news {
            seen.push(snapshot);
        }
        sleep(PAUSE).await;
    }
    Ok(seen)
}

/// Over the stamped messages that were sent within these microseconds, once the watch has ended.
pub(crate) async fn latency(owner: &Client, from_us: i64, to_us: i64) -> Result<Latency> {
    let row = owner.query_one(include_str!("latency.sql"), &[&from_us, &to_us]).await?;
    let percentiles: Option<Vec<f64>> = row.get(0);
    match percentiles.as_deref() {
        Some(&[p50, p99]) => Ok(Latency { p50, p99 }),
        _ => anyhow::bail!("no message was sent while it was measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_had_ended() {
        let shown = |text| {
            let snapshot = Snapshot::parse(0, text);
            snapshot.map(|snapshot| [7, 8, 9, 10].map(|id| snapshot.shows(id)))
        };
        assert_eq!(shown("8:10:8"), Some([true, false, true, false]));
        assert_eq!(shown("10:10:"), Some([true, true, true, false]));
        assert_eq!(shown("10"), None);
    }
}
