//! What batch-flush does beside flushing: partitions for the days to come, counts added up, and
//! gauges that are looked up when `/metrics` is asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use shared::{
    db::{self, Pool},
    envelope::Envelope,
    metrics::Flush,
    queue::{Consumer, Size},
    retention::{self, LogExpiry},
    service::Shutdown,
};
use tokio::{sync::Mutex, time::sleep};

use crate::worker::age_s;

/// purge-job makes partitions a week ahead; this is for when it never ran.
const PARTITIONS_EVERY: Duration = Duration::from_hours(1);
const PARTITIONS_RETRY: Duration = Duration::from_mins(1);
/// Making a partition waits for everyone who is using the table, and everyone else waits behind
/// it: not for long.
const SESSION: &str = "-c lock_timeout=200ms";
/// Whoever reads counts reads what was noted since.
const FOLD_EVERY: Duration = Duration::from_mins(1);

/// Makes the partitions of the next days, again and again until `shutdown`.
pub async fn make_partitions(url: db::Url, expiry: LogExpiry, shutdown: Shutdown) {
    loop {
        let made = async {
            let client = db::connect(&url, env!("CARGO_PKG_NAME"), SESSION).await?;
            retention::make_partitions(&client, expiry).await.context("making partitions")
        };
        let pause = match made.await {
            Ok(made) => {
                if made > 0 {
                    tracing::info!(made, "partitions made");
                }
                PARTITIONS_EVERY
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "no partitions were made");
                PARTITIONS_RETRY
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Adds up what flushers have noted of counts, again and again until `shutdown`.
pub async fn fold_counts(url: db::Url, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = sleep(FOLD_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        let folded = async {
            let client = db::connect(&url, env!("CARGO_PKG_NAME"), "").await?;
            client.execute(include_str!("fold_counts.sql"), &[]).await.context("adding up counts")
        };
        if let Err(error) = folded.await {
            tracing::warn!(error = format!("{error:#}"), "counts were not added up");
        }
    }
}

/// Looks up gauges.
pub struct Gauges {
    metrics: Flush,
    pool: Pool,
    shards: Mutex<Vec<Consumer>>,
    in_hand: Vec<Arc<AtomicI64>>,
}

impl Gauges {
    /// For `shards`, one consumer each that never claims, and for workers that tell what they
    /// have `in_hand`.
    pub fn new(
        metrics: Flush,
        pool: Pool,
        shards: Vec<Consumer>,
        in_hand: Vec<Arc<AtomicI64>>,
    ) -> Self {
        Self { metrics, pool, shards: Mutex::new(shards), in_hand }
    }

    /// Looks everything up; where that fails, the last values stay, and are marked as old.
    pub async fn measure(&self) {
        let result = self.look().await;
        self.metrics.looked_up.set(result.is_ok().into());
        if let Err(error) = result {
            tracing::warn!(error = format!("{error:#}"), "figures cannot be looked up");
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        // One look after the other, or an older figure might replace the newer one of another look.
        let mut shards = self.shards.lock().await;
        // The queue first: what moves on between the two looks is then counted twice, not never.
        let (waiting, age) = self.queue(&mut shards).await?;
        self.metrics.queued.set(waiting.messages);
        self.metrics.queued_bytes.set(waiting.bytes);
        self.metrics.backlog_age.set(age);
        for row in self.pool.query(include_str!("totals.sql"), &[]).await? {
            self.metrics.stored.set(row.get(0));
            self.metrics.rejected.set(row.get(1));
        }
        for row in self.pool.query(retention::SECONDS_AHEAD, &[]).await? {
            self.metrics.partitions_ahead.set(row.get(0));
        }
        Ok(())
    }

    /// Whether Redis and PostgreSQL answer.
    pub async fn check(&self) -> anyhow::Result<()> {
        for shard in self.shards.lock().await.iter_mut() {
            shard.size().await?;
        }
        Ok(self.pool.ping().await?)
    }

    /// How much is waiting, and for how many seconds the oldest of it.
    async fn queue(&self, shards: &mut [Consumer]) -> anyhow::Result<(Size, i64)> {
        let mut all = Size::default();
        let mut age = self.in_hand.iter().map(|sealed_at| age_s(sealed_at.load(Relaxed))).max();
        for shard in shards {
            let size = shard.size().await?;
            all.bytes += size.bytes;
            all.messages += size.messages;
            let oldest = shard.oldest().await?.and_then(|element| Envelope::open(&element).ok());
            age = age.max(oldest.map(|envelope| age_s(envelope.sealed_at)));
        }
        Ok((all, age.unwrap_or(0)))
    }
}
