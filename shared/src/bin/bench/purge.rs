//! Half of the rows expire while nodes send on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use shared::testing::Function;
use tokio::time::sleep;

use crate::{
    figure::{Sample, real, scaled},
    fill::{count_filled, fill},
    patience::patiently,
    sender::{Load, Sender},
    stack::Stack,
    visibility::{Visibility, latency, now_us},
};

const ROWS: u64 = 20_000_000;
const RATE: f64 = 10_000.0;
/// What rows are made of.
const ORIGINALS: u64 = 100_000;
const EXPIRY_H: i64 = 24;
/// Between two things that are compared.
const REST: Duration = Duration::from_secs(2);
/// How long it is watched what a message takes when nothing else goes on.
const CALM: Duration = Duration::from_secs(10);

/// The last line of purge-job.
#[derive(Deserialize)]
struct Summary {
    rows_removed: u64,
    horizon: DateTime<Utc>,
    complete: bool,
}

/// A time in which something was done.
struct Span {
    from_us: i64,
    to_us: i64,
}

impl Span {
    fn seconds(&self) -> Result<f64> {
        Ok(Duration::from_micros(u64::try_from(self.to_us - self.from_us)?).as_secs_f64())
    }
}

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let rows = scaled(ROWS, scale);
    let expiry = EXPIRY_H.to_string();
    let stack = Stack::start(&[("LOG_EXPIRY_H", &expiry)]).await?;
    let originals = scaled(ORIGINALS, scale.min(1.0));
    stack.take_in(&Load { messages: Some(originals), ..Load::FLAT_OUT }).await?;
    let to = Utc::now();
    let from = to - TimeDelta::hours(2 * EXPIRY_H);
    stack.owner.batch_execute(include_str!("old_partitions.sql")).await?;
    stack.owner.execute("SELECT pg_temp.make_old_partitions('1 hour', 50)", &[]).await?;
    fill(&stack.owner, rows, from, to).await?;
    count_filled(&stack.owner).await?;
    stack.checkpoint().await?;

    let start_us = now_us()?;
    let visibility = Visibility::watch(&stack.pipeline.database).await;
    let load = Load { rate: RATE, stamp: true, ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    sleep(REST).await;
    let calm = during(async || {
        sleep(CALM).await;
        Ok(())
    })
    .await?;
    let delete = during(async || delete(&stack).await).await?;
    stack.checkpoint().await?;
    sleep(REST).await;
    let (before, mut summary) = (stack.size().await?, None);
    let purge = during(async || {
        summary = Some(purge(&stack, &expiry)?);
        Ok(())
    })
    .await?;
    let after = stack.size().await?;
    let sent = sender.stop().await?;
    stack.until_stored(originals + sent.messages).await?;
    visibility.end(&stack.owner, start_us).await?;

    let summary = summary.context("the purge says nothing")?;
    anyhow::ensure!(summary.complete, "the purge left something for the next one");
    let count = i64::try_from(rows)?;
    let left = stack
        .owner
        .query_one(include_str!("rows_left.sql"), &[&count, &from, &to, &summary.horizon])
        .await?;
    anyhow::ensure!(left.get::<_, i64>(1) == 0, "expired rows are left");
    let left = u64::try_from(left.get::<_, i64>(0))?;
    let removed = rows - left;
    anyhow::ensure!(
        summary.rows_removed == removed,
        "{} rows were removed, not {removed}",
        summary.rows_removed
    );
    stack.check(originals + sent.messages, left).await?;
    let p99 = async |span: &Span| {
        latency(&stack.owner, span.from_us, span.to_us).await.map(|latency| latency.p99)
    };
    let calm = p99(&calm).await?;
    let with = |name: &str, value| {
        Sample::new(format!("p99 until visible during {name}"), value, "ms").beside("before", calm)
    };
    Ok(vec![
        Sample::new("purge", purge.seconds()?, "s").beside("one DELETE", delete.seconds()?),
        with("the purge", p99(&purge).await?),
        with("the DELETE", p99(&delete).await?),
        Sample::new("rows removed", real(removed), "rows").beside("all", real(rows)),
        Sample::new(
            "disk given back",
            real(before.saturating_sub(after)) / f64::from(1 << 20),
            "MiB",
        )
        .beside("all", real(before) / f64::from(1 << 20)),
    ])
}

async fn during(work: impl AsyncFnOnce() -> Result<()>) -> Result<Span> {
    let from_us = now_us()?;
    work().await?;
    Ok(Span { from_us, to_us: now_us()? })
}

async fn delete(stack: &Stack) -> Result<()> {
    let delete = stack.owner.batch_execute(include_str!("delete.sql"));
    patiently("rows are deleted", async { Ok(delete.await?) }).await
}

fn purge(stack: &Stack, expiry: &str) -> Result<Summary> {
    let url = stack.pipeline.database.url("tetcore");
    let settings = [("DATABASE_URL", url.as_str()), ("LOG_EXPIRY_H", expiry)];
    let output = Function::output("purge-job", &settings, &[]);
    Ok(serde_json::from_str(output.lines().last().unwrap_or_default())?)
}
