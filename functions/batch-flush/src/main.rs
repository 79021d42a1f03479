//! Drains the queue into PostgreSQL, exactly once. `--once` ends when nothing waits.

mod derived;
mod session;
mod store;
mod upkeep;
mod worker;

use std::{net::IpAddr, num::NonZeroU16, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser as _;
use serde::{Deserialize, Serialize};
use shared::{
    config, db,
    http::{self, Routes},
    metrics::{Flush, Metrics},
    queue::{self, Consumer},
    retention::LogExpiry,
    service::{self, Shutdown},
};
use tokio::task::JoinSet;

use crate::{upkeep::Gauges, worker::Worker};

/// The settings, a variable each, named like the field in capitals.
#[derive(Debug, Deserialize, Serialize)]
struct Config {
    /// Where the queue is.
    redis_url: queue::Url,
    /// Where messages are stored; the role `tetcore_flush` has all the rights that are needed.
    database_url: db::Url,
    /// The address to listen on.
    #[serde(default = "http::default_bind")]
    bind: IpAddr,
    /// The port to listen on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    port: u16,
    /// What the queue's keys begin with.
    #[serde(default = "queue::default_prefix")]
    queue_prefix: String,
    /// How many shards the queue has; ws-ingest must be told the same.
    #[serde(default = "queue::default_shards", deserialize_with = "config::number")]
    queue_shards: NonZeroU16,
    /// Workers for each shard, with a connection to PostgreSQL each.
    #[serde(default = "default_flush_workers", deserialize_with = "config::number")]
    flush_workers: NonZeroU16,
    /// Hours after which messages expire, from which the width of partitions follows.
    #[serde(default)]
    log_expiry_h: LogExpiry,
}

fn default_flush_workers() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(1)
}
/// Drains the queue of telemetry into PostgreSQL. Settings come from the environment.
#[derive(clap::Parser)]
struct Arguments {
    /// End when nothing waits in the queue.
    #[arg(long)]
    once: bool,
}

/// How long a look at the totals may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

async fn flush(config: Config, once: bool, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = Metrics::default();
    let counts = Flush::new(&metrics);
    let consumer = |shard| Consumer::new(&config.redis_url, &config.queue_prefix, shard);

    let mut workers = JoinSet::new();
    let mut in_hand = Vec::new();
    for shard in (0..config.queue_shards.get())
        .flat_map(|shard| (0..config.flush_workers.get()).map(move |_| shard))
    {
        let worker = Worker::new(consumer(shard), config.database_url.clone(), counts.clone());
        in_hand.push(worker.oldest());
        workers.spawn(worker.run(shutdown.clone(), once));
    }
    let partitions =
        upkeep::make_partitions(config.database_url.clone(), config.log_expiry_h, shutdown.clone());
    tokio::spawn(partitions);
    tokio::spawn(upkeep::fold_counts(config.database_url.clone(), shutdown.clone()));
    if once {
        workers.join_all().await;
        return Ok(());
    }

    let (url, name) = (&config.database_url, env!("CARGO_PKG_NAME"));
    let pool = db::Pool::new(url, name, 1, STATEMENT_TIMEOUT, db::Plans::Generic)?;
    let shards = (0..config.queue_shards.get()).map(consumer).collect();
    let gauges = Arc::new(Gauges::new(counts, pool, shards, in_hand));
    let measured = Arc::clone(&gauges);
    let routes = Routes::new(env!("CARGO_PKG_NAME"), &metrics)
        .ready(move || {
            let gauges = Arc::clone(&gauges);
            async move { gauges.check().await }
        })
        .measure(move || {
            let gauges = Arc::clone(&measured);
            async move { gauges.measure().await }
        });
    http::serve(http::bind(config.bind, config.port, None)?, routes, shutdown).await?;
    workers.join_all().await;
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| flush(config, arguments.once, shutdown))
}
