//! Connections that say who they are, and are silent from then on.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::{
    figure::{Sample, real, scaled},
    patience::until,
    sender::{Load, Sender},
    stack::Stack,
};

/// A process may have 20,000 files open on many machines.
const CONNECTIONS: u64 = 15_000;
const HELD: Duration = Duration::from_mins(1);

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let connections = scaled(CONNECTIONS, scale);
    // Who is silent for CLIENT_TIMEOUT_S would be taken for dead.
    let stack = Stack::start(&[("CLIENT_TIMEOUT_S", "3600")]).await?;
    let ingest = &stack.pipeline.ingest;
    let empty = ingest.resident_bytes();

    let start = Instant::now();
    // The first message beyond the greeting would be due long after the end.
    let load = Load { nodes: connections, rate: 1e-6, ..Load::FLAT_OUT };
    let sender = Sender::start(ingest, &load)?;
    let open = async || u64::try_from(ingest.metric("ingest_connections").await);
    until("all connections are open", async || Ok(open().await? >= connections)).await?;
    let seconds = start.elapsed().as_secs_f64();

    sleep(HELD).await;
    let full = ingest.resident_bytes();
    let left = open().await?;
    anyhow::ensure!(left == connections, "{left} of {connections} connections are left");
    let sent = sender.stop().await?;
    stack.check(sent.messages, 0).await?;
    anyhow::ensure!(sent.messages == connections, "each says who it is, and nothing else");
    let each = real(full.saturating_sub(empty)) / real(connections);
    Ok(vec![
        Sample::new("connections held", real(connections), "connections"),
        Sample::new("until all are accepted", seconds, "s").goal("≤ 10"),
        Sample::new("resident in ws-ingest", each / 1024.0, "KiB each").goal("≤ 10"),
    ])
}
