//! PostgreSQL goes away while nodes send on, and comes back.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::{
    figure::{Sample, real},
    patience::until,
    probe::Probe,
    sender::{Load, Sender},
    stack::Stack,
};

const RATE: u64 = 20_000;
const BEFORE: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_mins(1);
/// What may be on its way at any moment when nothing is wrong: that of half a second.
const ON_ITS_WAY: u64 = RATE / 2;

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let mut stack = Stack::start(&[]).await?;
    let load = Load { rate: real(RATE), ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    let probe = Probe::start(&stack.pipeline.ingest).await;
    sleep(BEFORE.mul_f64(scale)).await;
    let p99_before = probe.p99().await?;

    let empty = stack.redis_bytes()?;
    let probe = Probe::start(&stack.pipeline.ingest).await;
    stack.postgres.crash();
    sleep(AWAY.mul_f64(scale)).await;
    let p99_away = probe.p99().await?;
    let waiting = stack.waiting().await?;
    let redis = (stack.redis_bytes()? - empty) / waiting;

    stack.postgres.resume();
    let back = Instant::now();
    stack.owner = stack.pipeline.database.owner().await;
    until("the backlog is stored", async || {
        let received = stack.pipeline.ingest.metric("ingest_received_messages_total").await;
        Ok(stack.stored().await? + ON_ITS_WAY >= received.unsigned_abs())
    })
    .await?;
    let seconds = back.elapsed().as_secs_f64();
    let sent = sender.stop().await?;
    stack.until_stored(sent.messages).await?;
    stack.check(sent.messages, 0).await?;
    Ok(vec![
        Sample::new("backlog", waiting, "messages"),
        Sample::new("until it is stored", seconds, "s").goal("≤ 30 after 60 s"),
        Sample::new("backlog in Redis", redis, "bytes each"),
        Sample::new("p99 of reading meanwhile", p99_away, "ms")
            .beside("before", p99_before)
            .goal("unaffected"),
    ])
}
