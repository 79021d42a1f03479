//! The nodes that send: simulate-nodes in a process of its own.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use serde::Deserialize;
use shared::testing::{Function, command};

use crate::patience::until;

/// What nodes send, each over a socket of its own.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) nodes: u64,
    /// Messages per second of all together; 0: as many as there can be.
    pub(crate) rate: f64,
    /// As many in all; without end if none.
    pub(crate) messages: Option<u64>,
    /// Messages are padded to this size.
    pub(crate) payload_bytes: u64,
    /// Messages tell when they were sent.
    pub(crate) stamp: bool,
}

impl Load {
    /// The default mix over 100 sockets, as fast as it is taken.
    pub(crate) const FLAT_OUT: Self =
        Self { nodes: 100, rate: 0.0, messages: None, payload_bytes: 0, stamp: false };

    /// For simulate-nodes.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--nodes={}", self.nodes),
            format!("--rate={}", self.rate),
            format!("--payload-bytes={}", self.payload_bytes),
        ];
        arguments.extend(self.messages.map(|messages| format!("--messages={messages}")));
        arguments.extend(self.stamp.then(|| "--stamp".to_owned()));
        arguments
    }
}

/// A running simulate-nodes.
pub(crate) struct Sender(Child);

/// What it says at its end.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    #[serde(rename = "sent")]
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) cpu_seconds: f64,
    reconnects: u64,
    refused: u64,
    failed: u64,
}

impl Sender {
    /// Starts to send to ws-ingest.
    pub(crate) fn start(ingest: &Function, load: &Load) -> anyhow::Result<Self> {
        let url = format!("--url=ws://{}/", ingest.address());
        let child = command("simulate-nodes", &[], &[&url, "--quiet", "--json"])
            .args(load.arguments())
            .stdout(Stdio::piped())
            .spawn()
            .context("simulate-nodes")?;
        Ok(Self(child))
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(self) -> anyhow::Result<Sent> {
        let kill = Command::new("kill").arg(self.0.id().to_string()).status()?;
        anyhow::ensure!(kill.success(), "simulate-nodes has ended by itself");
        self.finish().await
    }

    /// Waits for its end. It must have sent all, without having lost a connection.
    pub(crate) async fn finish(mut self) -> anyhow::Result<Sent> {
        until("simulate-nodes ends", async || Ok(self.0.try_wait()?.is_some())).await?;
        let status = self.0.wait()?;
        let mut summary = String::new();
        self.0
            .stdout
            .take()
            .context("simulate-nodes has no output")?
            .read_to_string(&mut summary)?;
        anyhow::ensure!(status.success(), "simulate-nodes failed: {summary}");
        let sent: Sent = serde_json::from_str(&summary)?;
        let unharmed = sent.reconnects + sent.refused + sent.failed == 0;
        anyhow::ensure!(unharmed, "connections or messages were lost: {summary}");
        Ok(sent)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
