//! 1,000 subscribers of one live-feed, 10 of each of 100 nodes, while 5,000 messages come each second.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use shared::testing::{Function, Node};
use tokio::task::JoinSet;

use crate::{
    figure::{Sample, percentile, real, scaled},
    patience::until,
    sender::{Load, Sender},
    stack::Stack,
    visibility::now_us,
};

const SUBSCRIBERS: u64 = 1000;
const SECONDS: u64 = 20;
/// In which subscribers catch up with what was sent before they came.
const WARM_UP: Duration = Duration::from_secs(5);
const NODES: u64 = 100;
const RATE: f64 = 5000.0;

/// What one subscriber got.
#[derive(Default)]
struct Got {
    messages: u64,
    /// Milliseconds from the sender's socket, of messages that were sent late enough.
    latencies: Vec<f64>,
}

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let stack = Stack::start(&[]).await?;
    let database = stack.pipeline.database.url("tetcore_query");
    let settings =
        [&stack.pipeline.settings()[..], &[("DATABASE_URL", database.as_str())]].concat();
    let feed = Function::start("live-feed", &settings);
    let address: Arc<str> = feed.address().into();

    let seconds = WARM_UP.as_secs_f64() + real(scaled(SECONDS, scale));
    let messages = scaled(1, RATE * seconds);
    let load =
        Load { nodes: NODES, rate: RATE, messages: Some(messages), stamp: true, ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    until("all nodes are known", async || {
        Ok(stack.number("SELECT count(*) FROM nodes").await? == NODES)
    })
    .await?;
    let peers = stack.owner.query("SELECT peer_id FROM nodes ORDER BY id", &[]).await?;
    let peers: Vec<String> = peers.iter().map(|row| row.get(0)).collect();

    // One of each node first, then all the others.
    let from_us = now_us()? + i64::try_from(WARM_UP.as_micros())?;
    let mut subscribers = JoinSet::new();
    let mut subscribe = |number: u64| -> Result<()> {
        let peer = peers.get(usize::try_from(number % NODES)?).context("no such node")?;
        subscribers.spawn(follow(Arc::clone(&address), peer.clone(), from_us));
        Ok(())
    };
    (0..NODES).try_for_each(&mut subscribe)?;
    until("every list is open", async || {
        Ok(u64::try_from(feed.metric("feed_lists").await)? == NODES)
    })
    .await?;
    let reads = feed.metric("feed_past_reads_total").await;
    (NODES..scaled(SUBSCRIBERS, scale).max(NODES)).try_for_each(&mut subscribe)?;

    let cpu = feed.cpu_seconds();
    let sent = sender.finish().await?;
    stack.until_stored(sent.messages).await?;
    stack.check(sent.messages, 0).await?;
    let count = subscribers.len() as u64;
    // Each node has as many subscribers as every other.
    let expected = sent.messages * (count / NODES);
    until("everything is passed on", async || {
        Ok(u64::try_from(feed.metric("feed_delivered_messages_total").await)? >= expected)
    })
    .await?;
    let cpu = feed.cpu_seconds() - cpu;
    let reads_of_all = feed.metric("feed_past_reads_total").await;
    let resident = feed.peak_resident_bytes();
    anyhow::ensure!(feed.stop().await.success(), "live-feed failed");

    let (mut got, mut latencies) = (0, Vec::new());
    while let Some(subscriber) = subscribers.join_next().await {
        let mut one = subscriber??;
        got += one.messages;
        latencies.append(&mut one.latencies);
    }
    anyhow::ensure!(got == expected, "{got} messages came, not {expected}");
    let delivered = real(u64::try_from(latencies.len())?);
    Ok(vec![
        Sample::new("subscribers", real(count), ""),
        Sample::new("messages to subscribers", real(got), ""),
        Sample::new("p50, socket to subscriber", percentile(latencies.clone(), 0.5), "ms"),
        Sample::new("p99, socket to subscriber", percentile(latencies, 0.99), "ms").goal("≤ 1300"),
        Sample::new("reads of the past in PostgreSQL", f64::from(i32::try_from(reads_of_all)?), "")
            .beside("a tenth of them", f64::from(i32::try_from(reads)?))
            .goal("ratio ≤ 1"),
        Sample::new("CPU a million messages sent", cpu / delivered * 1e6, "s"),
        Sample::new("resident, at most", real(resident) / 1e6, "MB"),
    ])
}

/// Follows a node from its first message on until the feed ends: each message must be the next.
async fn follow(address: Arc<str>, peer: String, from_us: i64) -> Result<Got> {
    let mut socket = Node::connect(&address, "/feed").await;
    let request = serde_json::json!({
        "peer_id": peer, "msg": "*", "interest": "subscribe", "start_time": "2000-01-01T00:00:00",
    });
    socket.send_text(request.to_string()).await;
    let mut got = Got::default();
    while let Some(frame) = socket.receive().await {
        match frame.opcode {
            1 => {
                let now = now_us()?;
                // To read all of it as JSON would cost more than to send it.
                let mut rest = frame.payload.as_slice();
                while let Some(sequence) = number_behind(&mut rest, b"\"seq\":") {
                    got.messages += 1;
                    anyhow::ensure!(
                        sequence == i64::try_from(got.messages)?,
                        "{peer}: message {sequence} came as number {}",
                        got.messages
                    );
                }
                let mut rest = frame.payload.as_slice();
                while let Some(sent) = number_behind(&mut rest, b"\"sent_us\":") {
                    if sent >= from_us {
                        let us = u64::try_from(now - sent).unwrap_or(0);
                        got.latencies.push(real(us) / 1e3);
                    }
                }
            }
            8 => break,
            9 => socket.frame(true, 10, &frame.payload).await,
            _ => {}
        }
    }
    Ok(got)
}

/// The number behind the next `name` in `rest`, which goes on behind it.
fn number_behind(rest: &mut &[u8], name: &[u8]) -> Option<i64> {
    let at = memchr::memmem::find(rest, name)? + name.len();
    let behind = rest.get(at..)?;
    let end = behind.iter().position(|byte| !byte.is_ascii_digit() && *byte != b' ')?;
    *rest = &behind[end..];
    std::str::from_utf8(&behind[..end]).ok()?.trim().parse().ok()
}
