//! `migrate`: brings the database to the newest schema, says what it applied, and exits.

use std::process::ExitCode;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use shared::{
    config, db,
    service::{self, Shutdown},
};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

const NAME: &str = env!("CARGO_PKG_NAME");

/// The settings of migrate.
#[derive(Debug, Deserialize, Serialize)]
struct Config {
    /// The database, as the owner of its tables.
    database_url: db::Url,
    /// Hours that rows are kept; the width of the first partitions follows from it.
    #[serde(default = "default_log_expiry_h", deserialize_with = "config::number")]
    log_expiry_h: u32,
}

fn default_log_expiry_h() -> u32 {
    280_320
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

    let made: i32 = db
        .query_one(include_str!("make_partitions.sql"), &[&i64::from(config.log_expiry_h)])
        .await
        .with_context(|| format!("making partitions for LOG_EXPIRY_H={}", config.log_expiry_h))?
        .get(0);
    println!("made {made} partitions");
    Ok(())
}

fn main() -> ExitCode {
    service::run(NAME, migrate)
}
