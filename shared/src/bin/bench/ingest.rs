//! Flat out: what limits the way from 100 sockets into PostgreSQL, and what a message costs on it.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::{select, time::sleep};

use crate::{
    figure::{Sample, real, scaled},
    reference,
    sender::{Load, Sender},
    stack::Stack,
};

const MESSAGES: u64 = 2_000_000;
/// How often Redis is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let messages = scaled(MESSAGES, scale);
    let stack = Stack::start(&[]).await?;
    let mut queue = Queue::empty(&stack)?;
    let (cpu, wal, start) = (stack.cpu(), stack.wal().await?, Instant::now());
    let load = Load { messages: Some(messages), ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    select! {
        stored = stack.until_stored(messages) => stored?,
        failed = queue.watch(&stack) => failed?,
    }
    let seconds = start.elapsed().as_secs_f64();
    let (cpu, wal) = (stack.cpu() - cpu, stack.wal().await? - wal);
    let sent = sender.finish().await?;
    stack.check(sent.messages, 0).await?;
    let size = stack.size().await?;
    let peaks = [
        ("ws-ingest", stack.pipeline.ingest.peak_resident_bytes()),
        ("batch-flush", stack.pipeline.flush.peak_resident_bytes()),
    ];
    let reference = reference::copy(&stack).await?;

    let count = real(messages);
    let per_million = |seconds: f64| seconds / count * 1e6;
    let cpu_of = |part: &str, seconds| {
        Sample::new(format!("CPU of {part}"), per_million(seconds), "s/million")
    };
    let each = |what, bytes| Sample::new(what, bytes / count, "bytes each");
    let mut samples = vec![
        Sample::new("end to end", count / seconds, "messages/s")
            .beside(reference::NAME, reference.rows_per_second)
            .goal("≥ 0.7 R"),
        cpu_of("ws-ingest", cpu.ingest).goal("≤ 1.8"),
        cpu_of("batch-flush", cpu.flush).goal("≤ 1.0"),
        cpu_of("Redis", cpu.redis).goal("≤ 0.4"),
        cpu_of("PostgreSQL", cpu.postgres)
            .beside(reference::NAME, per_million(reference.cpu_seconds))
            .goal("≤ 1.15 R"),
        cpu_of("simulate-nodes", sent.cpu_seconds),
        each("on the socket", real(sent.bytes)),
        Sample::new("waiting in Redis, at most", queue.messages, "messages"),
        Sample::new("memory of Redis then", queue.bytes / queue.messages, "bytes each"),
        each("write-ahead log", real(wal)).beside(reference::NAME, real(reference.wal) / count),
        each("table and indexes", real(size)).beside(reference::NAME, real(reference.size) / count),
    ];
    samples.extend(peaks.map(|(part, bytes)| {
        Sample::new(format!("resident in {part}, at most"), real(bytes) / f64::from(1 << 20), "MiB")
    }));
    Ok(samples)
}

/// The queue when it was at its longest.
struct Queue {
    /// What Redis needs for itself.
    own: f64,
    messages: f64,
    bytes: f64,
}

impl Queue {
    fn empty(stack: &Stack) -> Result<Self> {
        Ok(Self { own: stack.redis_bytes()?, messages: 0.0, bytes: 0.0 })
    }

    /// Goes on until it is dropped.
    async fn watch(&mut self, stack: &Stack) -> Result<()> {
        loop {
            sleep(LOOK).await;
            let messages = stack.waiting().await?;
            if messages > self.messages {
                self.messages = messages;
                self.bytes = stack.redis_bytes()? - self.own;
            }
        }
    }
}
