//! How long a message takes from its sender's socket to where a query sees it, under half of the load that can be
//! sustained.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    figure::{Sample, real, scaled},
    sender::{Load, Sender},
    stack::Stack,
    visibility::{Visibility, latency, now_us},
};

/// Flat out, to learn what can be sustained.
const TRIAL: u64 = 1_000_000;
const SECONDS: u64 = 20;
/// In which connections are opened and caches filled.
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let stack = Stack::start(&[]).await?;
    let trial = scaled(TRIAL, scale);
    let sustained = stack.take_in(&Load { messages: Some(trial), ..Load::FLAT_OUT }).await?;
    stack.checkpoint().await?;

    let rate = sustained / 2.0;
    let seconds = WARM_UP.as_secs_f64() + real(scaled(SECONDS, scale));
    let messages = scaled(1, rate * seconds);
    let visibility = Visibility::watch(&stack.pipeline.database).await;
    let (start, start_us) = (Instant::now(), now_us()?);
    let load = Load { rate, messages: Some(messages), stamp: true, ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    let sent = sender.finish().await?;
    let reached = real(messages) / start.elapsed().as_secs_f64();
    stack.until_stored(trial + messages).await?;
    visibility.end(&stack.owner, start_us).await?;
    stack.check(trial + sent.messages, 0).await?;
    let from_us = start_us + i64::try_from(WARM_UP.as_micros())?;
    let latency = latency(&stack.owner, from_us, i64::MAX).await?;
    Ok(vec![
        Sample::new("load", reached, "messages/s").beside("sustained", sustained),
        Sample::new("p50", latency.p50, "ms").goal("≤ 30"),
        Sample::new("p99", latency.p99, "ms").goal("≤ 80"),
    ])
}
