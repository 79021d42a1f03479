//! Large messages: how fast they get into Redis, and what memory that takes.

use std::time::Instant;

use anyhow::Result;

use crate::{
    figure::{Sample, real, scaled},
    patience::until,
    sender::{Load, Sender},
    stack::Stack,
};

const MESSAGES: u64 = 40_000;
const BYTES: u64 = 20_000;
/// The default, told to ws-ingest all the same, since it is what figures are compared to.
const BUFFER: u64 = 256 << 20;

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let messages = scaled(MESSAGES, scale);
    // Room for all, since nobody takes them out meanwhile.
    let room = (2 * messages * BYTES).to_string();
    let buffer = BUFFER.to_string();
    let stack =
        Stack::start(&[("QUEUE_MAX_BYTES", &room), ("INGEST_BUFFER_BYTES", &buffer)]).await?;
    let ingest = &stack.pipeline.ingest;
    // batch-flush and PostgreSQL would take the cores that are to be measured.
    stack.pipeline.flush.signal("-STOP");

    let (cpu, start) = (ingest.cpu_seconds(), Instant::now());
    let load = Load { messages: Some(messages), payload_bytes: BYTES, ..Load::FLAT_OUT };
    let sender = Sender::start(ingest, &load)?;
    let queued = async || u64::try_from(ingest.metric("ingest_queued_messages_total").await);
    until("all messages are in Redis", async || Ok(queued().await? >= messages)).await?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = ingest.cpu_seconds() - cpu;
    let peak = ingest.peak_resident_bytes();
    let sent = sender.finish().await?;

    stack.pipeline.flush.signal("-CONT");
    stack.until_stored(messages).await?;
    stack.check(sent.messages, 0).await?;
    let mebibytes = |bytes| real(bytes) / f64::from(1 << 20);
    Ok(vec![
        Sample::new("into Redis", real(sent.bytes) / seconds / 1e6, "MB/s").goal("≥ 100"),
        Sample::new("CPU of ws-ingest", cpu / real(sent.bytes) * 1e9, "s/GB"),
        Sample::new("resident in ws-ingest, at most", mebibytes(peak), "MiB")
            .beside("INGEST_BUFFER_BYTES", mebibytes(BUFFER))
            .goal("no growth beyond"),
    ])
}
