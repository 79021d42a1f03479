//! The settings.

use std::{net::IpAddr, num::NonZeroU16};

use serde::{Deserialize, Serialize};
use shared::{
    config, db,
    http::{self, Origins},
    queue,
    tokens::Tokens,
    ws,
};

/// The settings, a variable each, named like the field in capitals.
#[derive(Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where the queue and the cache are.
    pub redis_url: queue::Url,
    /// Where messages are stored; the role `tetcore_query` has all the rights that are needed. Not
    /// a replica, which might lack what was stored just now.
    pub database_url: db::Url,
    /// The address to listen on.
    #[serde(default = "http::default_bind")]
    pub bind: IpAddr,
    /// The port to listen on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    pub port: u16,
    /// What the queue's and the cache's keys begin with.
    #[serde(default = "queue::default_prefix")]
    pub queue_prefix: String,
    /// How many shards the queue has; ws-ingest must be told the same.
    #[serde(default = "queue::default_shards", deserialize_with = "config::number")]
    pub queue_shards: NonZeroU16,
    /// Open connections, beyond which further ones are turned away; 0 for no limit.
    #[serde(default, deserialize_with = "config::number")]
    pub max_connections: usize,
    /// Comma-separated tokens of which a client must bring one; none: open to all.
    #[serde(default)]
    pub api_tokens: Tokens,
    /// Comma-separated origins whose pages may subscribe, or `*`; none: no other origin.
    #[serde(default)]
    pub cors_allowed_origins: Origins,
    /// Seconds between pings.
    #[serde(default = "ws::default_heartbeat_interval", deserialize_with = "config::number")]
    pub heartbeat_interval: u64,
    /// Seconds without a byte, after which a client is gone.
    #[serde(default = "ws::default_client_timeout_s", deserialize_with = "config::number")]
    pub client_timeout_s: u64,
    /// Milliseconds between two answers of a subscription.
    #[serde(default = "default_cache_update_interval_ms", deserialize_with = "config::number")]
    pub cache_update_interval_ms: u64,
    /// Seconds that the past may take to be read.
    #[serde(default = "default_cache_update_timeout_s", deserialize_with = "config::number")]
    pub cache_update_timeout_s: u64,
    /// Seconds that the feed goes back.
    #[serde(default = "default_cache_expiry_s", deserialize_with = "config::number")]
    pub cache_expiry_s: u64,
    /// Seconds after which what nobody watches any more is dropped.
    #[serde(default = "default_cache_timeout_s", deserialize_with = "config::number")]
    pub cache_timeout_s: u64,
}

impl Config {
    /// Whether these settings can be used.
    pub fn check(&self) -> anyhow::Result<()> {
        for (name, value) in [
            ("HEARTBEAT_INTERVAL", self.heartbeat_interval),
            ("CLIENT_TIMEOUT_S", self.client_timeout_s),
            ("CACHE_UPDATE_INTERVAL_MS", self.cache_update_interval_ms),
            ("CACHE_UPDATE_TIMEOUT_S", self.cache_update_timeout_s),
            ("CACHE_EXPIRY_S", self.cache_expiry_s),
            ("CACHE_TIMEOUT_S", self.cache_timeout_s),
        ] {
            anyhow::ensure!(value > 0, "{name}: expected a number from 1 on, got 0");
            anyhow::ensure!(value <= 31_536_000, "{name}: expected at most 31536000, got {value}");
        }
        anyhow::ensure!(
            self.client_timeout_s > self.heartbeat_interval,
            "CLIENT_TIMEOUT_S: expected more than HEARTBEAT_INTERVAL, got {}",
            self.client_timeout_s
        );
        anyhow::ensure!(
            self.cache_timeout_s * 1000 > 2 * self.cache_update_interval_ms,
            "CACHE_TIMEOUT_S: expected more than twice CACHE_UPDATE_INTERVAL_MS, got {}",
            self.cache_timeout_s
        );
        Ok(())
    }
}

fn default_cache_update_interval_ms() -> u64 {
    1000
}
fn default_cache_update_timeout_s() -> u64 {
    15
}
fn default_cache_expiry_s() -> u64 {
    3600
}
fn default_cache_timeout_s() -> u64 {
    60
}
