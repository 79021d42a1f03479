//! The whole way of a message, twice of each function, and what is done to it.

use std::{
    process::{Child, Stdio},
    sync::{Arc, atomic::AtomicU64},
};

use anyhow::Context as _;
use shared::{
    db::Client,
    testing::{Database, Function, Node, Postgres, Redis, command, eventually, metric},
};

use crate::{
    faults::Fault,
    nodes::{Nodes, Target},
};

/// Shards of the queue.
const SHARDS: &str = "2";
const PREFIX: &str = "chaos";

/// A ws-ingest and what becomes of it.
pub(crate) struct Instance {
    target: Target,
    /// None once it has ended.
    function: Option<Function>,
    /// What it says, once it has ended in peace.
    pub(crate) ended: Option<Ended>,
}

/// What is known of a ws-ingest that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// It had read and handed over so many.
    Drained { received: u64, queued: u64 },
    /// It was killed. A moment before, it had read so many, and of these not handed over as many
    /// as were in its hands.
    Killed { received: u64, in_hand: u64 },
}

/// A running system.
pub(crate) struct Stack {
    /// All that ever ran; two of them do.
    pub(crate) instances: Vec<Instance>,
    ingests: [usize; 2],
    flushes: [Function; 2],
    purge: Option<Child>,
    lock: Option<Client>,
    pub(crate) database: Database,
    redis: Redis,
    postgres: Postgres,
    partitions: i64,
    nodes: Option<Nodes>,
}

impl Stack {
    /// Starts everything, and the nodes.
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Self> {
        let postgres = Postgres::start();
        let database = postgres.database();
        let redis = Redis::durable();
        let flushes = [start_flush(&database, &redis), start_flush(&database, &redis)];
        let instances = vec![start_ingest(&redis, 0), start_ingest(&redis, 1)];
        let mut stack = Self {
            instances,
            ingests: [0, 1],
            flushes,
            purge: None,
            lock: None,
            database,
            redis,
            postgres,
            partitions: 0,
            nodes: None,
        };
        stack.partitions = stack.number("SELECT count(*) FROM pg_inherits").await;
        stack.nodes = Some(Nodes::start(seed, stack.targets()));
        Ok(stack)
    }

    fn targets(&self) -> Vec<Target> {
        self.ingests.iter().map(|index| self.instances[*index].target.clone()).collect()
    }

    /// The functions that run, ws-ingest first.
    pub(crate) fn functions(&self) -> Vec<&Function> {
        let ingests =
            self.ingests.iter().filter_map(|index| self.instances[*index].function.as_ref());
        ingests.chain(&self.flushes).collect()
    }

    /// A number from the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = self.database.owner().await.query_one(sql, &[]).await;
        row.map_or(-1, |row| row.get(0))
    }

    /// Messages stored so far.
    pub(crate) async fn stored(&self) -> i64 {
        self.number("SELECT coalesce(sum(stored), 0)::bigint FROM ingest_totals").await
    }

    /// Begins a fault, of `which` of two where there are two.
    pub(crate) async fn begin(&mut self, fault: Fault, which: usize) -> anyhow::Result<()> {
        match fault {
            Fault::IngestKilled => self.kill_ingest(which).await?,
            Fault::IngestReplaced => self.replace_ingest(which).await?,
            Fault::IngestFrozen => self.ingest(which)?.signal("-STOP"),
            Fault::FlushKilled => self.flushes[which].kill(),
            Fault::FlushReplaced => {
                let next = start_flush(&self.database, &self.redis);
                let old = std::mem::replace(&mut self.flushes[which], next);
                anyhow::ensure!(old.stop().await.success(), "batch-flush ended with an error");
            }
            Fault::FlushFrozen | Fault::FlushFrozenForLong => {
                self.flushes[which].signal("-STOP");
            }
            Fault::RedisKilled => self.kill_redis().await?,
            Fault::RedisFrozen => self.redis.freeze(),
            Fault::RedisCut => self.redis.cut_connections(),
            Fault::PostgresCrashed => self.postgres.crash(),
            Fault::PostgresRestarted => self.postgres.shut_down(),
            Fault::BackendsTerminated => {
                let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE application_name = 'batch-flush'";
                self.number(all).await;
            }
            Fault::TableLocked => {
                let owner = self.database.owner().await;
                let lock = "BEGIN; LOCK TABLE peer_connections IN ACCESS EXCLUSIVE MODE";
                owner.batch_execute(lock).await?;
                self.lock = Some(owner);
            }
            Fault::PurgeKilled => {
                let url = self.database.url("tetcore");
                let mut purge = command("purge-job", &[("DATABASE_URL", &url)], &[]);
                let purge = purge.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
                self.purge = Some(purge);
            }
            Fault::NodesCut => self.nodes.iter().for_each(Nodes::cut),
        }
        Ok(())
    }

    /// Ends a fault.
    pub(crate) fn end(&mut self, fault: Fault, which: usize) -> anyhow::Result<()> {
        match fault {
            Fault::IngestKilled => self.start_another_ingest(which),
            Fault::FlushKilled => {
                self.flushes[which] = start_flush(&self.database, &self.redis);
            }
            Fault::IngestFrozen => self.ingest(which)?.signal("-CONT"),
            Fault::FlushFrozen | Fault::FlushFrozenForLong => {
                self.flushes[which].signal("-CONT");
            }
            Fault::RedisKilled => self.redis.resume(),
            Fault::RedisFrozen => self.redis.thaw(),
            Fault::PostgresCrashed | Fault::PostgresRestarted => self.postgres.resume(),
            Fault::TableLocked => self.lock = None,
            Fault::PurgeKilled => {
                if let Some(mut purge) = self.purge.take() {
                    purge.kill()?;
                    purge.wait()?;
                }
            }
            Fault::IngestReplaced
            | Fault::FlushReplaced
            | Fault::RedisCut
            | Fault::BackendsTerminated
            | Fault::NodesCut => {}
        }
        Ok(())
    }

    fn ingest(&self, which: usize) -> anyhow::Result<&Function> {
        let instance = &self.instances[self.ingests[which]];
        instance.function.as_ref().context("it runs")
    }

    async fn kill_ingest(&mut self, which: usize) -> anyhow::Result<()> {
        let function = self.ingest(which)?;
        // In this order: so what was received before and is not in hand has been handed over.
        let received = unsigned(function.metric("ingest_received_messages_total").await);
        let in_hand = unsigned(function.metric("ingest_in_flight_messages").await);
        let instance = &mut self.instances[self.ingests[which]];
        instance.function.take().context("it runs")?.kill();
        instance.ended = Some(Ended::Killed { received, in_hand });
        let other = self.ingests[1 - which];
        let targets = vec![self.instances[other].target.clone()];
        self.nodes.iter().for_each(|nodes| nodes.send_to(targets.clone()));
        Ok(())
    }

    /// Ends Redis while it holds something, which nobody can store for that moment.
    async fn kill_redis(&mut self) -> anyhow::Result<()> {
        let owner = self.database.owner().await;
        owner.batch_execute("BEGIN; LOCK TABLE ingest_batches IN ACCESS EXCLUSIVE MODE").await?;
        // Not only in the hands of batch-flush, which would store it all the same.
        let queue = format!("{{{PREFIX}:0}}:queue");
        eventually("messages wait in Redis", || async {
            let waiting: i64 = self.redis.command(&["LLEN", &queue]);
            (waiting > 0).then_some(())
        })
        .await;
        self.redis.stop();
        Ok(())
    }

    fn start_another_ingest(&mut self, which: usize) {
        let instance = start_ingest(&self.redis, self.instances.len());
        self.ingests[which] = self.instances.len();
        self.instances.push(instance);
        let targets = self.targets();
        self.nodes.iter().for_each(|nodes| nodes.send_to(targets.clone()));
    }

    async fn replace_ingest(&mut self, which: usize) -> anyhow::Result<()> {
        let old = self.ingests[which];
        self.start_another_ingest(which);
        let instance = &mut self.instances[old];
        let function = instance.function.take().context("it runs")?;
        let log = function.log_handle();
        anyhow::ensure!(function.stop().await.success(), "ws-ingest ended with an error");
        let drained = log.event("drained");
        let count = |of: &str| drained[of].as_u64().context("a count");
        let (received, queued) = (count("received")?, count("queued")?);
        instance.ended = Some(Ended::Drained { received, queued });
        Ok(())
    }

    /// Whether everything is as it should be: all functions are ready, and nothing waits.
    pub(crate) async fn is_well(&self) -> bool {
        for function in self.functions() {
            if !function.get("/readyz").await.status.is_success() {
                return false;
            }
        }
        let text = self.flushes[0].get("/metrics").await.text();
        metric(&text, "flush_figures_current") == 1 && metric(&text, "queue_oldest_seconds") == 0
    }

    /// Whether nothing is on its way.
    pub(crate) async fn is_at_rest(&self) -> bool {
        for function in
            self.ingests.iter().filter_map(|index| self.instances[*index].function.as_ref())
        {
            if function.metric("ingest_in_flight_messages").await != 0 {
                return false;
            }
        }
        let text = self.flushes[0].get("/metrics").await.text();
        metric(&text, "flush_figures_current") == 1
            && metric(&text, "queue_messages") == 0
            && metric(&text, "queue_bytes") == 0
    }

    /// Has the nodes stop; what they sent, and those that are still connected.
    pub(crate) async fn stop_nodes(
        &mut self,
    ) -> anyhow::Result<(Vec<Vec<crate::nodes::Stretch>>, Vec<Node>)> {
        self.nodes.take().context("they run")?.stop().await
    }

    /// What the instances that still run have counted.
    pub(crate) async fn count(&mut self) {
        for index in self.ingests {
            let instance = &mut self.instances[index];
            let Some(function) = &instance.function else { continue };
            let text = function.get("/metrics").await.text();
            let count = |name| unsigned(metric(&text, name));
            instance.ended = Some(Ended::Drained {
                received: count("ingest_received_messages_total"),
                queued: count("ingest_queued_messages_total"),
            });
        }
    }

    /// What is there at the end and was not at the beginning.
    pub(crate) async fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for function in self.functions() {
            let (files, bytes) = (function.open_files(), function.resident_bytes());
            if files > 120 || bytes > 200 << 20 {
                leaks.push(format!("a function has {files} open files and {bytes} bytes"));
            }
        }
        let keys: Vec<String> = self.redis.command(&["KEYS", "*"]);
        let lasting = [":size", ":ids", ":doorbell"];
        let left = keys.iter().filter(|key| !lasting.iter().any(|end| key.ends_with(end)));
        leaks.extend(left.map(|key| format!("a key of Redis: {key}")));
        let partitions = self.number("SELECT count(*) FROM pg_inherits").await;
        if partitions != self.partitions {
            leaks.push(format!("{} partitions became {partitions}", self.partitions));
        }
        let backends =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'batch-flush'";
        let backends = self.number(backends).await;
        // Of each batch-flush, four workers, one that looks things up, and two that are there at times.
        if backends > 14 {
            leaks.push(format!("{backends} connections to PostgreSQL"));
        }
        leaks
    }
}

fn settings(redis: &str) -> [(&str, &str); 3] {
    [("REDIS_URL", redis), ("QUEUE_PREFIX", PREFIX), ("QUEUE_SHARDS", SHARDS)]
}

fn start_ingest(redis: &Redis, number: usize) -> Instance {
    let function = Function::start("ws-ingest", &settings(&redis.url()));
    let address = function.address().to_owned();
    let target = Target { instance: number, address, sent: Arc::new(AtomicU64::new(0)) };
    Instance { target, function: Some(function), ended: None }
}

fn start_flush(database: &Database, redis: &Redis) -> Function {
    let (redis, database) = (redis.url(), database.url("tetcore_flush"));
    let all = [&settings(&redis)[..], &[("DATABASE_URL", database.as_str())]].concat();
    Function::start("batch-flush", &all)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
