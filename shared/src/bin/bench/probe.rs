//! How long ws-ingest lets a connection wait: a ping is answered after all that was sent before it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use shared::testing::{Function, Node};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::figure::percentile;

const PAUSE: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_mins(1);
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection that pings again and again.
pub(crate) struct Probe {
    pinging: JoinHandle<Result<Vec<f64>>>,
    /// Dropped, it ends the pinging.
    enough: oneshot::Sender<()>,
}

impl Probe {
    pub(crate) async fn start(ingest: &Function) -> Self {
        let node = Node::connect(ingest.address(), "/").await;
        let (enough, stop) = oneshot::channel();
        Self { pinging: tokio::spawn(ping(node, stop)), enough }
    }

    /// The time to read a ping and answer it, in milliseconds, that 99 in a hundred did not exceed.
    pub(crate) async fn p99(self) -> Result<f64> {
        drop(self.enough);
        Ok(percentile(self.pinging.await??, 0.99))
    }
}

async fn ping(mut node: Node, mut stop: oneshot::Receiver<()>) -> Result<Vec<f64>> {
    let mut milliseconds = Vec::new();
    while matches!(stop.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
        let start = Instant::now();
        node.frame(true, PING, b"probe").await;
        timeout(LONGEST, pong(&mut node)).await.context("ws-ingest does not answer a ping")??;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        sleep(PAUSE).await;
    }
    Ok(milliseconds)
}

/// Passes over the server's own pings.
async fn pong(node: &mut Node) -> Result<()> {
    while node.receive().await.context("ws-ingest hung up")?.opcode != PONG {}
    Ok(())
}
