//! Private servers, spawned binaries and a telemetry node, for tests and tools.
//!
//! A test process shares one PostgreSQL and one Redis; each test gets a database and a key
//! prefix of its own. A test that stops a server starts one of its own. All of them end with
//! the process, however it ends.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod authority;
mod balancer;
mod cluster;
mod function;
mod node;
mod pipeline;
mod process;
mod rng;
mod servers;

use std::{
    future::Future,
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::{Duration, Instant},
};

pub use self::{
    authority::Authority,
    balancer::Balancer,
    cluster::RedisCluster,
    function::{Answer, Function, Log, command, get, metric, request, send},
    node::{Frame, Node, masked},
    pipeline::{Pipeline, ingest},
    rng::Rng,
    servers::{Database, Postgres, Redis},
};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `condition` yields something; `what` is named when it never does.
pub async fn eventually<T, F, R>(what: &str, mut condition: F) -> T
where
    F: FnMut() -> R,
    R: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "this never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that nobody listens on, below those that the kernel gives to outgoing connections: it
/// stays free while its server is down.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const PORTS: u16 = 8_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes side by side begin at different ones.
    let own = u16::try_from(std::process::id() * 97 % u32::from(PORTS)).unwrap_or(0);
    loop {
        let port = FIRST + (own + NEXT.fetch_add(1, Relaxed) % PORTS) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A name that no other test of this run has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}
