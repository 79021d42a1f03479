//! What all connections of the process have in common.

use std::{sync::Arc, time::Duration};

use shared::metrics::Ingest;

use crate::{buffer::Buffer, config::Config, ids::Ids};

/// What all connections share.
pub struct Context {
    /// Counts.
    pub metrics: Ingest,
    /// Where messages go.
    pub buffer: Arc<Buffer>,
    /// Where new nodes get their ids.
    pub ids: Arc<Ids>,
    /// Nodes that a connection may have.
    pub most_nodes: usize,
    /// Bytes of the largest message.
    pub most_payload: usize,
    /// Between pings.
    pub heartbeat: Duration,
    /// Without a byte.
    pub patience: Duration,
    /// Of one connection on average; 0 for no limit.
    pub bytes_per_second: u64,
}

impl Context {
    /// With the limits of `config`.
    pub fn new(config: &Config, metrics: Ingest, buffer: Arc<Buffer>, ids: Arc<Ids>) -> Self {
        Self {
            metrics,
            buffer,
            ids,
            most_nodes: config.max_nodes_per_connection,
            most_payload: config.ws_max_payload as usize,
            heartbeat: Duration::from_secs(config.heartbeat_interval),
            patience: Duration::from_secs(config.client_timeout_s),
            bytes_per_second: config.max_bytes_per_second,
        }
    }
}
