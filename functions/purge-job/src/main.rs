//! `purge-job`: makes the partitions of the coming days, removes what has expired, and prints a
//! JSON summary; `purge-job compact` has older messages take little room.

mod compact;
mod purge;
mod snapshots;

use std::{net::IpAddr, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use shared::{
    config, db, http,
    metrics::{self, IntCounterVec, Metrics},
    retention::LogExpiry,
    service::{self, Shutdown},
};

const NAME: &str = env!("CARGO_PKG_NAME");
/// With hundreds of partitions the server thinks every plan worth compiling, which takes longer
/// than running it.
const SESSION: &str = "-c jit=off";
/// Messages are sorted by their nodes.
const PACKING_SESSION: &str = "-c jit=off -c work_mem=64MB";

/// Makes the partitions of the coming days, removes what has expired, and prints a JSON summary.
#[derive(Debug, Clone, Copy, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// Change nothing, and say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Go on, with purges and compactions every `PURGE_INTERVAL_S`, instead of leaving them to a
    /// scheduler
    #[arg(long = "loop")]
    repeat: bool,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else it can do.
#[derive(Debug, Clone, Copy, Subcommand)]
enum Other {
    /// Packs messages older than `COMPACT_AFTER_H` into little room, and prints a JSON summary
    Compact,
}

/// The settings of purge-job.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Config {
    /// The database, as the owner of its tables.
    database_url: db::Url,
    /// Hours that rows are kept, audit rows excepted.
    #[serde(default)]
    log_expiry_h: LogExpiry,
    /// Hours after which messages are packed; 0: never.
    #[serde(default = "default_compact_after_h", deserialize_with = "config::number")]
    compact_after_h: u32,
    /// Seconds from the end of a run to the next, with `--loop`.
    #[serde(default = "default_purge_interval_s", deserialize_with = "config::number")]
    purge_interval_s: u64,
    /// The address that `--loop` answers on.
    #[serde(default = "http::default_bind")]
    bind: IpAddr,
    /// The port that `--loop` answers on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    port: u16,
}

/// By then clocks that are a day ahead have been caught up with, and late identities have come.
fn default_compact_after_h() -> u32 {
    48
}
fn default_purge_interval_s() -> u64 {
    600
}

async fn purge_job(options: Options, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    match options.other {
        Some(Other::Compact) => return compact(&config, &shutdown).await.map(drop),
        None if !options.repeat => return purge(options, &config, &shutdown).await.map(drop),
        None => (),
    }
    let metrics = Metrics::default();
    let runs = metrics::Purge::new(&metrics);
    let url = config.database_url.clone();
    let routes = http::Routes::new(env!("CARGO_PKG_NAME"), &metrics).ready(move || {
        let url = url.clone();
        async move { db::connect(&url, NAME, "").await.map(drop) }
    });
    let listener = http::bind(config.bind, config.port, None)?;
    let pause = Duration::from_secs(config.purge_interval_s);
    let purging = repeat(pause, &shutdown, &runs.runs, async || {
        let Some(summary) = purge(options, &config, &shutdown).await? else { return Ok(None) };
        if !summary.dry_run {
            runs.rows_removed.inc_by(summary.rows_removed);
        }
        Ok(Some(summary.complete))
    });
    // Beside it, not behind it: what expires does not wait for a long compaction.
    let compacting = repeat(pause, &shutdown, &runs.compactions, async || {
        if options.dry_run {
            return Ok(None);
        }
        let Some(summary) = compact(&config, &shutdown).await? else { return Ok(None) };
        runs.messages_packed.inc_by(summary.messages_packed);
        Ok(Some(summary.complete))
    });
    tokio::try_join!(http::serve(listener, routes, shutdown.clone()), purging, compacting)?;
    Ok(())
}

/// One purge; its summary is the last line on standard output.
async fn purge(
    options: Options,
    config: &Config,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<purge::Summary>> {
    let db = db::connect(&config.database_url, NAME, SESSION).await?;
    let summary = purge::run(&db, config.log_expiry_h, options.dry_run, shutdown).await?;
    print(summary)
}

/// One compaction; its summary is the last line on standard output.
async fn compact(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Option<compact::Summary>> {
    let db = db::connect(&config.database_url, NAME, PACKING_SESSION).await?;
    let summary = compact::run(&db, config.compact_after_h, config.log_expiry_h, shutdown).await?;
    print(summary)
}

fn print<S: Serialize>(summary: Option<S>) -> anyhow::Result<Option<S>> {
    if let Some(summary) = &summary {
        println!("{}", serde_json::to_string(summary)?);
    }
    Ok(summary)
}

/// Run after run, each counted. One that fails is left to the next, since a restart would do no
/// more.
async fn repeat(
    pause: Duration,
    shutdown: &Shutdown,
    runs: &IntCounterVec,
    run: impl AsyncFn() -> anyhow::Result<Option<bool>>,
) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        count(runs, run().await);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

/// Counts a run by its result: whether it did all that there was to do. `None` was asked to stop
/// before it began.
fn count(runs: &IntCounterVec, complete: anyhow::Result<Option<bool>>) {
    let result = match complete {
        Ok(Some(true)) => "ok",
        Ok(Some(false)) => "incomplete",
        Ok(None) => return,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the run failed");
            "failed"
        }
    };
    runs.with_label_values(&[result]).inc();
}

fn main() -> ExitCode {
    let options = Options::parse();
    service::run(NAME, |config, shutdown| purge_job(options, config, shutdown))
}
