//! `migrate`: brings the database to the newest schema, says what it applied, and exits.
//! `migrate import` takes over a database of version 0.1.4.

mod import;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use shared::{
    db,
    retention::{self, LogExpiry},
    service::{self, Shutdown},
};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

const NAME: &str = env!("CARGO_PKG_NAME");

/// Brings the database to the newest schema.
#[derive(Debug, Clone, Copy, Parser)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Take over what a database of version 0.1.4 holds, and print a JSON summary
    Import(import::Options),
}

/// The settings of migrate.
#[derive(Debug, Deserialize, Serialize)]
struct Config {
    /// The database, as the owner of its tables.
    database_url: db::Url,
    /// The database of version 0.1.4 that `import` reads.
    old_database_url: Option<db::Url>,
    /// Hours that rows are kept; the width of the first partitions follows from it.
    #[serde(default)]
    log_expiry_h: LogExpiry,
}

async fn migrate(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut db = db::connect(&config.database_url, NAME, "").await?;
    let lock = db.execute(include_str!("lock.sql"), &[]);
    let Some(locked) = shutdown.run_until_cancelled(lock).await else {
        return Ok(());
    };
    locked.context("waiting for another migrate")?;
    // Whoever waits for a table makes everyone after it wait as well.
    db.batch_execute("SET lock_timeout = '5s'").await?;

    let report = embedded::migrations::runner().run_async(&mut db).await?;
    for migration in report.applied_migrations() {
        println!("applied {migration}");
    }
    if report.applied_migrations().is_empty() {
        println!("nothing to apply");
    }
    db.batch_execute(include_str!("comment_history.sql")).await?;

    // A fresh database can take rows at once.
    let made = retention::make_partitions(&db, config.log_expiry_h)
        .await
        .context("making partitions for LOG_EXPIRY_H")?;
    println!("made {made} partitions");
    Ok(())
}

fn main() -> ExitCode {
    let options = Options::parse();
    service::run(NAME, |config, shutdown| async move {
        match options.command {
            None => migrate(config, shutdown).await,
            Some(Command::Import(options)) => import::run(options, config, shutdown).await,
        }
    })
}
