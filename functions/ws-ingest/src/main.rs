//! `GET /` and `GET /audit`, upgraded to WebSocket: telemetry of nodes, on its way to Redis.

mod admission;
mod buffer;
mod clock;
mod config;
mod connection;
mod context;
mod ids;
mod nodes;
mod server;

use std::{process::ExitCode, sync::Arc, time::Duration};

use shared::{
    http::{self, Routes},
    metrics::{Ingest, Metrics},
    queue::Producer,
    service::{self, Shutdown},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    buffer::{Buffer, Room},
    config::Config,
    context::Context,
    ids::Ids,
    server::Server,
};

/// How long the first nodes wait for Redis; a refused one comes back only 10 to 19 s later.
const FIRST_IDS: Duration = Duration::from_secs(2);
/// Of DB_SAVE_LATENCY_MS, the part in which an envelope is filled.
const FILL_SHARE: u64 = 4;

async fn ingest(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    config.check()?;
    let listener = http::bind(config.bind, config.port, Some(config.max_pending_connections))?;
    let metrics = Metrics::default();
    let counts = Ingest::new(&metrics);
    for (gauge, limit) in [
        (&counts.in_flight_limit, i64::try_from(config.ingest_buffer_bytes)),
        (&counts.queue_limit, i64::try_from(config.queue_max_bytes)),
        (&counts.connections_limit, i64::try_from(config.max_connections)),
    ] {
        gauge.set(limit.unwrap_or(i64::MAX));
    }

    let lanes = usize::from(config.queue_shards.get())
        .max(std::thread::available_parallelism().map_or(1, usize::from));
    let (buffer, outlets) = Buffer::new(
        counts.clone(),
        lanes,
        config.ingest_buffer_bytes,
        config.db_batch_size,
        Duration::from_millis(config.backpressure_max_ms),
    );
    let producer = |shard| {
        let most_bytes = config.queue_max_bytes / u64::from(config.queue_shards.get());
        Producer::new(&config.redis_url, &config.queue_prefix, shard, most_bytes)
    };
    let fill = Duration::from_millis(config.db_save_latency_ms / FILL_SHARE);
    let mut pushers = JoinSet::new();
    for (lane, (outlet, shard)) in
        outlets.into_iter().zip((0..config.queue_shards.get()).cycle()).enumerate()
    {
        tokio::spawn(Arc::clone(&buffer).seal_by_age(lane, fill));
        pushers.spawn(Arc::clone(&buffer).push(producer(shard), outlet));
    }
    let ids = Arc::new(Ids::default());
    let (reservations, first_ids) = (Arc::clone(&ids), Arc::clone(&ids));
    let reserving = producer(0);
    tokio::spawn(async move { reservations.reserve(reserving).await });

    let routes = Routes::new(env!("CARGO_PKG_NAME"), &metrics).ready({
        let (buffer, ids) = (Arc::clone(&buffer), Arc::clone(&ids));
        move || {
            let (buffer, ids) = (Arc::clone(&buffer), Arc::clone(&ids));
            async move {
                anyhow::ensure!(ids.are_in_stock(), "Redis has not been reached yet");
                anyhow::ensure!(buffer.room().await == Room::Free, "Redis takes nothing");
                Ok(())
            }
        }
    });
    let time_to_stop = Duration::from_secs(config.shutdown_timeout_s);
    let context = Context::new(&config, counts.clone(), Arc::clone(&buffer), ids);
    let server = Server::new(config, context, routes, lanes);
    if timeout(FIRST_IDS, first_ids.arrive()).await.is_err() {
        tracing::warn!("Redis has not been reached yet; nodes are refused until it is");
    }
    server.accept(listener, &shutdown).await;

    let drained = timeout(time_to_stop, async {
        server.end().await;
        buffer.end();
        pushers.join_all().await;
    });
    if drained.await.is_err() {
        let lost = u64::try_from(buffer.messages()).unwrap_or(0);
        counts.dropped.with_label_values(&["shutdown"]).inc_by(lost);
        tracing::error!(lost, "Redis did not take everything in time");
    }
    tracing::info!(received = counts.received.get(), queued = counts.queued.get(), "drained");
    Ok(())
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), ingest)
}
