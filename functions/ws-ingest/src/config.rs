//! The settings of ws-ingest.

use std::{net::IpAddr, num::NonZeroU16};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use shared::{config, http, queue, tokens::Tokens, ws};

/// A variable each, named like the field in capitals.
#[derive(Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where the queue is.
    pub redis_url: queue::Url,
    /// The address to listen on.
    #[serde(default = "http::default_bind")]
    pub bind: IpAddr,
    /// The port to listen on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    pub port: u16,
    /// What the queue's keys begin with.
    #[serde(default = "queue::default_prefix")]
    pub queue_prefix: String,
    /// How many shards the queue has; batch-flush must be told the same.
    #[serde(default = "queue::default_shards", deserialize_with = "config::number")]
    pub queue_shards: NonZeroU16,
    /// Bytes that may wait in Redis, over all shards.
    #[serde(default = "default_queue_max_bytes", deserialize_with = "config::number")]
    pub queue_max_bytes: u64,
    /// Bytes that may wait in this process; at least 8 times `WS_MAX_PAYLOAD`.
    #[serde(default = "default_ingest_buffer_bytes", deserialize_with = "config::number")]
    pub ingest_buffer_bytes: usize,
    /// Milliseconds without any progress downstream after which reading goes on, and the newest
    /// messages are dropped.
    #[serde(default = "default_backpressure_max_ms", deserialize_with = "config::number")]
    pub backpressure_max_ms: u64,
    /// Messages after which a batch is closed.
    #[serde(default = "default_db_batch_size", deserialize_with = "config::number")]
    pub db_batch_size: u32,
    /// Milliseconds after which a message should be stored. A quarter of them is spent here, on
    /// filling a batch; the rest is left to Redis and the transaction.
    #[serde(default = "default_db_save_latency_ms", deserialize_with = "config::number")]
    pub db_save_latency_ms: u64,
    /// Bytes of the largest message that is taken, at most 256 MiB: what `jsonb` holds.
    #[serde(default = "default_ws_max_payload", deserialize_with = "config::number")]
    pub ws_max_payload: u32,
    /// Seconds between pings.
    #[serde(default = "ws::default_heartbeat_interval", deserialize_with = "config::number")]
    pub heartbeat_interval: u64,
    /// Seconds without a byte after which a connection is given up.
    #[serde(default = "ws::default_client_timeout_s", deserialize_with = "config::number")]
    pub client_timeout_s: u64,
    /// Connections that may wait to be accepted, or be in their handshake beyond
    /// `MAX_CONNECTIONS`.
    #[serde(default = "default_max_pending_connections", deserialize_with = "config::number")]
    pub max_pending_connections: u32,
    /// Open WebSockets; 0 for no limit.
    #[serde(default, deserialize_with = "config::number")]
    pub max_connections: usize,
    /// Open WebSockets of one client address; 0 for no limit.
    #[serde(default, deserialize_with = "config::number")]
    pub max_connections_per_ip: usize,
    /// Nodes of one connection; messages of further ones are rejected.
    #[serde(default = "default_max_nodes_per_connection", deserialize_with = "config::number")]
    pub max_nodes_per_connection: usize,
    /// Bytes a second of one connection, averaged over 10 s; 0 for no limit.
    #[serde(default, deserialize_with = "config::number")]
    pub max_bytes_per_second: u64,
    /// Comma-separated tokens of which a node's path must begin with one; none: open to all.
    #[serde(default)]
    pub ingest_tokens: Tokens,
    /// Comma-separated networks whose `X-Forwarded-For` or PROXY header is believed.
    #[serde(default)]
    pub trusted_proxies: Networks,
    /// Seconds after SIGTERM in which everything that was read is handed to Redis.
    #[serde(default = "default_shutdown_timeout_s", deserialize_with = "config::number")]
    pub shutdown_timeout_s: u64,
}

fn default_queue_max_bytes() -> u64 {
    1 << 30
}
fn default_ingest_buffer_bytes() -> usize {
    256 << 20
}
fn default_backpressure_max_ms() -> u64 {
    2000
}
fn default_db_batch_size() -> u32 {
    1024
}
fn default_db_save_latency_ms() -> u64 {
    100
}
fn default_ws_max_payload() -> u32 {
    524_288
}
fn default_max_pending_connections() -> u32 {
    8192
}
fn default_max_nodes_per_connection() -> usize {
    20
}
fn default_shutdown_timeout_s() -> u64 {
    25
}

/// The largest `WS_MAX_PAYLOAD`.
const MOST_PAYLOAD: u32 = 1 << 28;

impl Config {
    /// Refuses what fits its type but cannot work.
    pub fn check(&self) -> anyhow::Result<()> {
        let at_least_one = [
            ("DB_BATCH_SIZE", self.db_batch_size.into()),
            ("HEARTBEAT_INTERVAL", self.heartbeat_interval),
            ("CLIENT_TIMEOUT_S", self.client_timeout_s),
            ("MAX_NODES_PER_CONNECTION", self.max_nodes_per_connection as u64),
            ("WS_MAX_PAYLOAD", self.ws_max_payload.into()),
        ];
        for (name, value) in at_least_one {
            anyhow::ensure!(value > 0, "{name}: must be at least 1");
        }
        anyhow::ensure!(
            self.ws_max_payload <= MOST_PAYLOAD,
            "WS_MAX_PAYLOAD: must be at most {MOST_PAYLOAD}, which is what jsonb holds"
        );
        let taken = ["audit", "healthz", "readyz", "metrics", "openapi.json", "feed"];
        anyhow::ensure!(
            !taken.iter().any(|route| self.ingest_tokens.contain(route)),
            "INGEST_TOKENS: a token must not be the name of a route"
        );
        // A quarter of it is for unfinished messages, whose memory doubles as they grow.
        anyhow::ensure!(
            self.ingest_buffer_bytes / 8 >= self.ws_max_payload as usize,
            "INGEST_BUFFER_BYTES: must be at least 8 times WS_MAX_PAYLOAD"
        );
        Ok(())
    }
}

/// Networks in CIDR notation; a single address is one, too.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = String::deserialize(deserializer)?;
        list.split(',')
            .map(str::trim)
            .map(|text| {
                text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(
                    |_| D::Error::custom(format!("`{text}` is no network such as 10.0.0.0/8")),
                )
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
