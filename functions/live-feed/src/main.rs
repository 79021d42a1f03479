//! `WS /feed`: what nodes send, as it is stored.

mod aggregate;
mod answer;
mod config;
mod cursor;
mod entry;
mod feed;
mod leader;
mod past;
mod request;
mod rows;
mod subscriber;

use std::{process::ExitCode, sync::Arc, time::Duration};

use shared::{
    cache::Cache,
    http::{self, Guards, Routes},
    metrics::{self, Metrics},
    queue::Follower,
    service::{self, Shutdown},
};
use tokio::sync::Mutex;

use crate::{config::Config, feed::Feed, leader::Leader, past::Past, subscriber::Context};

async fn feed(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    config.check()?;
    let metrics = Metrics::default();
    let counts = metrics::Feed::new(&metrics);
    let cache = || Cache::new(&config.redis_url, &config.queue_prefix);
    let reach = Duration::from_secs(config.cache_expiry_s);

    let timeout = Duration::from_secs(config.cache_update_timeout_s);
    let past = Past::new(&config.database_url, reach, timeout)?;
    let followers = (0..config.queue_shards.get())
        .map(|shard| Follower::new(&config.redis_url, &config.queue_prefix, shard))
        .collect();
    let leader =
        Leader::new(cache(), followers, past.clone(), counts.clone(), config.cache_expiry_s);
    let leader = tokio::spawn(leader.run(shutdown.clone()));

    let feed = Arc::new(Feed::new());
    let interval = Duration::from_millis(config.cache_update_interval_ms);
    let reading =
        Arc::clone(&feed).run(cache(), interval, config.cache_timeout_s, shutdown.clone());
    tokio::spawn(reading);

    let context = Arc::new(Context {
        feed,
        cache: Mutex::new(cache()),
        metrics: counts,
        heartbeat: Duration::from_secs(config.heartbeat_interval),
        patience: Duration::from_secs(config.client_timeout_s),
        reach,
        shutdown: shutdown.clone(),
    });
    let ready = Arc::clone(&context);
    let connections = if config.max_connections == 0 { usize::MAX } else { config.max_connections };
    let guards = Guards::new(config.api_tokens, config.cors_allowed_origins, connections);
    let routes = Routes::new(env!("CARGO_PKG_NAME"), &metrics)
        .guarded(guards)
        .ready(move || {
            let (context, past) = (Arc::clone(&ready), past.clone());
            async move {
                context.cache.lock().await.wanted().await?;
                Ok(past.check().await?)
            }
        })
        .socket("/feed", move |socket| subscriber::serve(Arc::clone(&context), socket));
    http::serve(http::bind(config.bind, config.port, None)?, routes, shutdown).await?;
    Ok(leader.await?)
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), feed)
}
