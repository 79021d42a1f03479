//! Everything between a socket and the database, on servers of the run's own, and its books.

use std::{
    ops::Sub,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use shared::{
    db::Client,
    testing::{Database, Pipeline, Postgres, Redis, metric},
};

use crate::{
    figure::real,
    patience::until,
    sender::{Load, Sender},
};

/// How long it may take until a further message is stored.
const STALL: Duration = Duration::from_mins(1);

/// Keeps PostgreSQL from vacuuming when it wants, which would fall on one measurement and not on another.
pub(crate) async fn without_autovacuum(owner: &Client) -> anyhow::Result<()> {
    owner.batch_execute("ALTER SYSTEM SET autovacuum = off").await?;
    Ok(owner.batch_execute("SELECT pg_reload_conf()").await?)
}

/// A running pipeline. Its parts end in this order.
pub(crate) struct Stack {
    pub(crate) pipeline: Pipeline,
    /// A connection of the owner's of the database.
    pub(crate) owner: Client,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
}

/// Messages by where they are, and the rows of `tetcore_logs`.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read in messages about what does not add up")]
struct Books {
    received: u64,
    in_flight: u64,
    waiting: u64,
    stored: u64,
    rejected: u64,
    dropped: u64,
    rows: u64,
}

/// CPU seconds of each part, since its start or since an earlier moment.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) ingest: f64,
    pub(crate) flush: f64,
    pub(crate) redis: f64,
    pub(crate) postgres: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            ingest: self.ingest - earlier.ingest,
            flush: self.flush - earlier.flush,
            redis: self.redis - earlier.redis,
            postgres: self.postgres - earlier.postgres,
        }
    }
}

impl Stack {
    /// Starts with these settings of ws-ingest and batch-flush, and waits until both are ready.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let postgres = Postgres::durable();
        let database = postgres.database();
        Self::start_on(postgres, database, settings).await
    }

    /// As [`start`](Self::start), on a database that is there already.
    pub(crate) async fn start_on(
        postgres: Postgres,
        database: Database,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let redis = Redis::start();
        let pipeline = Pipeline::start_on(database, &redis, settings);
        let owner = pipeline.database.owner().await;
        let stack = Self { pipeline, owner, redis, postgres };
        stack.ready().await?;
        stack.checkpoint().await?;
        Ok(stack)
    }

    /// Waits until both functions have what they need.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        for function in [&self.pipeline.ingest, &self.pipeline.flush] {
            until("functions are ready", async || {
                Ok(function.get("/readyz").await.status.is_success())
            })
            .await?;
        }
        Ok(())
    }

    /// Writes to disk what is left of earlier, so that it does not burden what comes.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        Ok(self.owner.batch_execute("CHECKPOINT").await?)
    }

    pub(crate) fn cpu(&self) -> Cpu {
        Cpu {
            ingest: self.pipeline.ingest.cpu_seconds(),
            flush: self.pipeline.flush.cpu_seconds(),
            redis: self.redis.cpu_seconds(),
            postgres: self.postgres.cpu_seconds(),
        }
    }

    /// The one number that a query yields.
    pub(crate) async fn number(&self, query: &str) -> anyhow::Result<u64> {
        let row = self.owner.query_one(&format!("SELECT ({query})::bigint"), &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    /// Messages that can be seen in the database.
    pub(crate) async fn stored(&self) -> anyhow::Result<u64> {
        self.number("SELECT sum(stored) FROM ingest_totals").await
    }

    /// Waits until so many messages can be seen in the database.
    pub(crate) async fn until_stored(&self, messages: u64) -> anyhow::Result<()> {
        let (mut before, mut since) = (0, Instant::now());
        until("all messages are stored", async || {
            let stored = self.stored().await?;
            if stored > before {
                (before, since) = (stored, Instant::now());
            }
            if since.elapsed() > STALL {
                let books = self.books().await?;
                anyhow::bail!("of {messages} messages no more are stored: {books:?}");
            }
            Ok(stored >= messages)
        })
        .await
    }

    /// Takes in what is sent, until all of it is stored: messages a second.
    pub(crate) async fn take_in(&self, load: &Load) -> anyhow::Result<f64> {
        let before = self.stored().await?;
        let messages = load.messages.context("a load without end is never stored")?;
        let start = Instant::now();
        let sender = Sender::start(&self.pipeline.ingest, load)?;
        self.until_stored(before + messages).await?;
        let seconds = start.elapsed().as_secs_f64();
        sender.finish().await?;
        Ok(real(messages) / seconds)
    }

    /// Bytes of write-ahead log since the server was made.
    pub(crate) async fn wal(&self) -> anyhow::Result<u64> {
        self.number("SELECT pg_current_wal_insert_lsn() - '0/0'").await
    }

    /// Bytes of all logs with their indexes.
    pub(crate) async fn size(&self) -> anyhow::Result<u64> {
        self.number("SELECT sum(pg_total_relation_size(partition)) FROM log_partitions()").await
    }

    pub(crate) async fn rows(&self) -> anyhow::Result<u64> {
        self.number("SELECT count(*) FROM tetcore_logs").await
    }

    /// Bytes that Redis holds.
    pub(crate) fn redis_bytes(&self) -> anyhow::Result<f64> {
        let info: String = self.redis.command(&["INFO", "memory"]);
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(used.unwrap_or_default().parse()?)
    }

    /// Messages that wait in Redis.
    pub(crate) async fn waiting(&self) -> anyhow::Result<f64> {
        Ok(real(u64::try_from(self.pipeline.flush.metric("queue_messages").await)?))
    }

    /// Once all `sent` messages have come to rest, none was lost, none is there twice, and none was refused;
    /// `others` rows did not come from here.
    pub(crate) async fn check(&self, sent: u64, others: u64) -> anyhow::Result<()> {
        let ingest = &self.pipeline.ingest;
        until("ws-ingest has handed over everything", async || {
            Ok(ingest.metric("ingest_in_flight_messages").await == 0)
        })
        .await?;
        until("the queue is empty", async || Ok(self.waiting().await? < 1.0)).await?;

        let books = self.books().await?;
        let Books { received, stored, rejected, dropped, rows, .. } = books;
        anyhow::ensure!(received == stored + rejected + dropped, "a message is lost: {books:?}");
        anyhow::ensure!(
            rows == sent + others,
            "{sent} were sent, {others} there before: {books:?}"
        );
        anyhow::ensure!(received == sent, "not all {sent} that were sent are there: {books:?}");
        anyhow::ensure!(stored == sent, "not all {sent} that were sent are stored: {books:?}");
        Ok(())
    }

    /// Where the messages are.
    async fn books(&self) -> anyhow::Result<Books> {
        let ingest = self.pipeline.ingest.get("/metrics").await.text();
        let flush = self.pipeline.flush.get("/metrics").await.text();
        let ingest = |name| u64::try_from(metric(&ingest, name));
        let flush = |name| u64::try_from(metric(&flush, name));
        Ok(Books {
            received: ingest("ingest_received_messages_total")?,
            in_flight: ingest("ingest_in_flight_messages")?,
            waiting: flush("queue_messages")?,
            stored: flush("database_stored_messages")?,
            rejected: ingest("ingest_rejected_messages_total")?
                + flush("database_rejected_messages")?,
            dropped: ingest("ingest_dropped_messages_total")?,
            rows: self.rows().await?,
        })
    }
}
