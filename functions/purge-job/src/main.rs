//! `purge-job`: makes the partitions of the coming days, removes what has expired, and prints a
//! JSON summary.

mod purge;

use std::{net::IpAddr, process::ExitCode, time::Duration};

use clap::Parser;
use serde::{Deserialize, Serialize};
use shared::{
    config, db, http,
    metrics::{self, Metrics},
    retention::LogExpiry,
    service::{self, Shutdown},
};

use crate::purge::Summary;

const NAME: &str = env!("CARGO_PKG_NAME");
/// With hundreds of partitions the server thinks every plan worth compiling, which takes longer
/// than running it.
const SESSION: &str = "-c jit=off";

/// Makes the partitions of the coming days, removes what has expired, and prints a JSON summary.
#[derive(Debug, Clone, Copy, Parser)]
struct Options {
    /// Change nothing, and say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Go on, a run every `PURGE_INTERVAL_S`, instead of leaving that to a scheduler
    #[arg(long = "loop")]
    repeat: bool,
}

/// The settings of purge-job.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Config {
    /// The database, as the owner of its tables.
    database_url: db::Url,
    /// Hours that rows are kept, audit rows excepted.
    #[serde(default)]
    log_expiry_h: LogExpiry,
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

fn default_purge_interval_s() -> u64 {
    600
}

async fn purge_job(options: Options, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    if !options.repeat {
        return purge(options, &config, &shutdown).await.map(drop);
    }
    let metrics = Metrics::default();
    let runs = metrics::Purge::new(&metrics);
    let url = config.database_url.clone();
    let routes = http::Routes::new(env!("CARGO_PKG_NAME"), &metrics).ready(move || {
        let url = url.clone();
        async move { db::connect(&url, NAME, "").await.map(drop) }
    });
    let listener = http::bind(config.bind, config.port, None)?;
    tokio::try_join!(
        http::serve(listener, routes, shutdown.clone()),
        repeat(options, &config, &runs, &shutdown),
    )?;
    Ok(())
}

/// One run; its summary is the last line on standard output.
async fn purge(
    options: Options,
    config: &Config,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Summary>> {
    let db = db::connect(&config.database_url, NAME, SESSION).await?;
    let summary = purge::run(&db, config.log_expiry_h, options.dry_run, shutdown).await?;
    if let Some(summary) = &summary {
        println!("{}", serde_json::to_string(summary)?);
    }
    Ok(summary)
}

/// Run after run. One that fails is left to the next, since a restart would do no more.
async fn repeat(
    options: Options,
    config: &Config,
    runs: &metrics::Purge,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let interval = Duration::from_secs(config.purge_interval_s);
    while !shutdown.is_cancelled() {
        let result = match purge(options, config, shutdown).await {
            Ok(Some(summary)) => {
                if !summary.dry_run {
                    runs.rows_removed.inc_by(summary.rows_removed);
                }
                if summary.complete { "ok" } else { "incomplete" }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the run failed");
                "failed"
            }
        };
        runs.runs.with_label_values(&[result]).inc();
        shutdown.run_until_cancelled(tokio::time::sleep(interval)).await;
    }
    Ok(())
}

fn main() -> ExitCode {
    let options = Options::parse();
    service::run(NAME, |config, shutdown| purge_job(options, config, shutdown))
}
