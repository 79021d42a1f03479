//! `purge-job`: makes the partitions of the coming days, removes what has expired, and prints a summary.

mod purge;

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use serde::{Deserialize, Serialize};
use shared::{
    config, db, http,
    metrics::{self, Metrics},
    service::{self, Shutdown},
};

use crate::purge::Summary;

const NAME: &str = env!("CARGO_PKG_NAME");

/// Makes the partitions of the coming days, removes what has expired, and prints a JSON summary.
#[derive(Debug, Clone, Copy, Parser)]
struct Options {
    /// Changes nothing, and says what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Goes on, a run every PURGE_INTERVAL_S, instead of leaving that to a scheduler.
    #[arg(long = "loop")]
    repeat: bool,
}

/// The settings of purge-job.
#[derive(Debug, Deserialize, Serialize)]
struct Config {
    /// The database, as the owner of its tables.
    database_url: db::Url,
    /// Hours that rows are kept unless they are audit rows.
    #[serde(default = "default_log_expiry_h", deserialize_with = "config::number")]
    log_expiry_h: i32,
    /// Seconds from the end of a run to the next, with `--loop`.
    #[serde(default = "default_purge_interval_s", deserialize_with = "config::number")]
    purge_interval_s: u64,
    /// Where `--loop` answers `/healthz`, `/readyz` and `/metrics`.
    #[serde(default = "default_port", deserialize_with = "config::number")]
    port: u16,
}
