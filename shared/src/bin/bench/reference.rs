//! What PostgreSQL itself can do: the same rows by two parallel `COPY` of psql's, into the same tables, emptied.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result};
use shared::row::LOG_COLUMNS;
use tempfile::TempDir;

use crate::{
    figure::real,
    patience::{patiently, until},
    stack::Stack,
};

/// Two parallel `COPY` of psql's.
pub(crate) const NAME: &str = "R";

pub(crate) struct Reference {
    pub(crate) rows_per_second: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) wal: u64,
    pub(crate) size: u64,
}

/// Takes the rows of `stack` out and copies them in again. Its functions rest from here on.
pub(crate) async fn copy(stack: &Stack) -> Result<Reference> {
    stack.pipeline.ingest.signal("-STOP");
    stack.pipeline.flush.signal("-STOP");
    let rows = stack.rows().await?;
    let url = stack.pipeline.database.url("tetcore");
    let folder = TempDir::with_prefix("rows-")?;
    let halves = [0, 1].map(|half| folder.path().join(half.to_string()));
    for (half, file) in halves.iter().enumerate() {
        let query = format!("(SELECT {LOG_COLUMNS} FROM tetcore_logs WHERE id % 2 = {half})");
        Psql::start(&url, &query, "TO", file)?.finish().await?;
        // What would be written to disk later would compete with what is measured.
        File::open(file)?.sync_all()?;
    }
    let empty = stack.owner.batch_execute("TRUNCATE log_rows");
    patiently("the table is emptied", async { Ok(empty.await?) }).await?;
    stack.checkpoint().await?;

    let (cpu, wal, start) = (stack.postgres.cpu_seconds(), stack.wal().await?, Instant::now());
    let table = format!("log_rows ({LOG_COLUMNS})");
    let [first, second] = halves.map(|file| Psql::start(&url, &table, "FROM", &file));
    let (first, second) = (first?, second?);
    first.finish().await?;
    second.finish().await?;
    let seconds = start.elapsed().as_secs_f64();
    // Before anything else has a share in them.
    let (cpu_seconds, wal) = (stack.postgres.cpu_seconds() - cpu, stack.wal().await? - wal);
    anyhow::ensure!(stack.rows().await? == rows, "the reference stored something else");
    Ok(Reference {
        rows_per_second: real(rows) / seconds,
        cpu_seconds,
        wal,
        size: stack.size().await?,
    })
}

/// A running psql.
struct Psql(Child);

impl Psql {
    fn start(url: &str, what: &str, direction: &str, file: &Path) -> Result<Self> {
        let copy = format!("\\copy {what} {direction} '{}' (FORMAT binary)", file.display());
        let child = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", &copy, url])
            .stdin(Stdio::null())
            .spawn()
            .context("psql")?;
        Ok(Self(child))
    }

    async fn finish(mut self) -> Result<()> {
        until("psql ends", async || Ok(self.0.try_wait()?.is_some())).await?;
        anyhow::ensure!(self.0.wait()?.success(), "psql failed");
        Ok(())
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
