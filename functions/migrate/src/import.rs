//! `migrate import`: takes over a database of version 0.1.4. Each step is a transaction of its own,
//! in which it says how far it has come, so that an import that ends half-way, whatever the cause,
//! goes on exactly there.

mod old;
mod tables;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::Serialize;
use shared::{
    db::{self, Transaction},
    retention::LogExpiry,
    service::Shutdown,
};

use self::{
    old::{Old, OldTable},
    tables::{CONNECTIONS, TABLES},
};
use crate::{Config, NAME};

/// Rows that one transaction takes over at most.
const STEP: i64 = 20_000;
/// Between two log lines that tell of the progress.
const TOLD: Duration = Duration::from_secs(5);
/// Ids of connections that each imported database may have: its own are of 31 bits.
const CONNECTIONS_EACH: i64 = 1 << 32;
/// Compiling a step's plans takes longer than running them; sorting it needs some memory.
const SESSION: &str = "-c jit=off -c work_mem=64MB -c temp_buffers=64MB";

/// How an import is done.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Take this database over as well, although another one was before
    #[arg(long)]
    another: bool,
}

/// What a run did; its last line on standard output.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    source: &'a str,
    database_number: i32,
    tables: BTreeMap<&'static str, TableSummary>,
    /// Before this time messages have expired.
    horizon: &'a str,
    /// False if it was asked to stop before all was taken over.
    complete: bool,
    /// Whether all counts hold.
    verified: bool,
    duration_ms: u128,
}

/// What a run did with one table.
#[derive(Clone, Copy, Debug, Serialize)]
struct TableSummary {
    read: i64,
    stored: i64,
    skipped: Skipped,
    /// Stored and skipped by this run and those before it.
    accounted: i64,
    last_id: i64,
    /// Rows that the old database has up to there, once they were counted.
    old_rows: Option<i64>,
    /// Whether this run has stored or skipped each row that the old database has behind the last
    /// run's end, and all runs together no fewer than it has.
    verified: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Skipped {
    expired: i64,
    incomplete: i64,
}

/// How far the import of a table has come, over all runs.
#[derive(Clone, Copy, Debug)]
struct Progress {
    last_id: i64,
    stored: i64,
    expired: i64,
    incomplete: i64,
}

impl Progress {
    fn accounted(self) -> i64 {
        self.stored + self.expired + self.incomplete
    }
}

impl From<db::Row> for Progress {
    fn from(row: db::Row) -> Self {
        Self {
            last_id: row.get(0),
            stored: row.get(1),
            expired: row.get(2),
            incomplete: row.get(3),
        }
    }
}

/// What this run has done with a table.
struct Done {
    before: Progress,
    now: Progress,
    read: i64,
    /// Rows in the old database up to the end, and those behind where this run began.
    counted: Option<(i64, i64)>,
}

impl Done {
    fn summary(&self) -> TableSummary {
        let (before, now) = (self.before, self.now);
        let done = now.accounted() - before.accounted();
        let verified = self.counted.is_some_and(|(all, behind)| {
            behind == self.read && self.read == done && all <= now.accounted()
        });
        TableSummary {
            read: self.read,
            stored: now.stored - before.stored,
            skipped: Skipped {
                expired: now.expired - before.expired,
                incomplete: now.incomplete - before.incomplete,
            },
            accounted: now.accounted(),
            last_id: now.last_id,
            old_rows: self.counted.map(|(all, _)| all),
            verified,
        }
    }
}

/// Takes over what the old database has at the start of this run, behind what earlier runs took.
pub(crate) async fn run(
    options: Options,
    config: Config,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let begin = Import::begin(options, &config, &shutdown);
    let mut import = match shutdown.run_until_cancelled(begin).await {
        Some(import) => import?,
        None => anyhow::bail!("asked to stop before the import began"),
    };
    let complete = shutdown.run_until_cancelled(import.take_over()).await.transpose()?.is_some();

    let tables: BTreeMap<_, _> =
        import.done.iter().map(|(name, done)| (*name, done.summary())).collect();
    let verified = complete && tables.values().all(|table| table.verified);
    let summary = Summary {
        source: &import.old.source,
        database_number: import.number,
        tables,
        horizon: &import.horizon,
        complete,
        verified,
        duration_ms: started.elapsed().as_millis(),
    };
    println!("{}", serde_json::to_string(&summary)?);
    anyhow::ensure!(complete, "asked to stop before the end: the next import goes on from there");
    anyhow::ensure!(verified, "the counts do not hold: see the summary");
    Ok(())
}

struct Import {
    old: Old,
    ours: db::Client,
    /// Which of the databases that were ever imported this one is.
    number: i32,
    shutdown: Shutdown,
    log_expiry_h: LogExpiry,
    /// Messages from before this time have expired.
    horizon: String,
    done: BTreeMap<&'static str, Done>,
}

impl Import {
    /// Connects to both databases, and prepares a session.
    async fn begin(options: Options, config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let url = config.old_database_url.as_ref();
        let url = url.context("OLD_DATABASE_URL is required, but not set")?;
        let ours = db::connect(&config.database_url, NAME, SESSION).await?;
        ours.execute(include_str!("import/lock.sql"), &[])
            .await
            .context("waiting for another import")?;
        let old = Old::open(url).await?;
        let number = number(&ours, &old.source, options).await?;
        let sql = "SELECT (now() - $1::bigint * interval '1 hour')::text";
        let horizon = ours.query_one(sql, &[&config.log_expiry_h.hours()]).await?.get(0);
        let import = Self {
            old,
            ours,
            number,
            shutdown: shutdown.clone(),
            log_expiry_h: config.log_expiry_h,
            horizon,
            done: BTreeMap::new(),
        };
        import.prepare_session().await?;
        Ok(import)
    }

    /// Makes the tables that rows come to on their way, and the view of what becomes of them.
    async fn prepare_session(&self) -> anyhow::Result<()> {
        for table in TABLES {
            let sql = format!(
                "CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS",
                table.staging,
                table.definition()
            );
            self.ours.batch_execute(&sql).await?;
        }
        let connections = CONNECTIONS.definition();
        self.ours
            .batch_execute(&format!("CREATE TEMP TABLE old_connections ({connections})"))
            .await?;
        self.ours.batch_execute(&self.fill(include_str!("import/session.sql"), "")).await?;
        Ok(())
    }

    /// A script with what it leaves open filled in.
    fn fill(&self, script: &str, table: &str) -> String {
        let first = i64::from(self.number) * CONNECTIONS_EACH;
        script
            .replace("{first}", &first.to_string())
            .replace("{number}", &self.number.to_string())
            .replace("{horizon}", &self.horizon)
            .replace("{table}", table)
    }

    /// Takes over one table after the other, and counts.
    async fn take_over(&mut self) -> anyhow::Result<()> {
        self.load_connections().await.context("reading all connections")?;
        self.make_past_partitions().await.context("making partitions of the past")?;
        self.complete_connections().await.context("completing connections")?;
        for place in 0..self.old.tables.len() {
            let name = self.old.tables[place].table.name;
            self.take_over_table(place).await.with_context(|| format!("taking over {name}"))?;
        }
        for old in &self.old.tables {
            let Some(done) = self.done.get_mut(old.table.name) else { continue };
            let end = old.end.max(done.before.last_id);
            let counted = self.old.count(old.table, done.before.last_id, end).await;
            done.counted = Some(counted.with_context(|| format!("counting {}", old.table.name))?);
        }
        Ok(())
    }

    /// Has all old connections at hand, to look up whose messages are whose.
    async fn load_connections(&mut self) -> anyhow::Result<()> {
        let is_connections = |old: &&OldTable| old.table.name == CONNECTIONS.name;
        let transaction = self.ours.transaction().await?;
        if let Some(old) = self.old.tables.iter().find(is_connections) {
            db::copy(&self.old.db, &old.rows, &transaction, "old_connections").await?;
        }
        transaction.batch_execute(include_str!("import/prepare_connections.sql")).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes partitions for the time that old messages are of, lest they all lie in one.
    async fn make_past_partitions(&self) -> anyhow::Result<()> {
        // Whoever waits for a table makes everyone after it wait as well.
        self.ours.batch_execute("SET lock_timeout = '200ms'").await?;
        for audit in [false, true] {
            let attempt = async || {
                let sql = include_str!("import/make_past_partitions.sql");
                self.ours.query_one(sql, &[&audit, &self.log_expiry_h.hours()]).await
            };
            let made = db::patiently(&self.ours, &self.shutdown, attempt).await?;
            let made: i32 = made.context("others held the locks all the time")?.get(0);
            tracing::info!(audit, made, "made partitions of the past");
        }
        self.ours.batch_execute("RESET lock_timeout").await?;
        Ok(())
    }

    /// Completes connections that earlier runs took over before their node was known.
    async fn complete_connections(&mut self) -> anyhow::Result<()> {
        let scripts = [
            include_str!("import/complete_connections.sql"),
            include_str!("import/save_nodes.sql"),
            include_str!("import/claim_rows.sql"),
        ];
        let scripts = scripts.map(|script| self.fill(script, ""));
        let transaction = begin(&mut self.ours).await?;
        for script in scripts {
            transaction.batch_execute(&script).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn take_over_table(&mut self, place: usize) -> anyhow::Result<()> {
        let OldTable { table, beginning, end, .. } = self.old.tables[place];
        let sql = include_str!("import/begin_table.sql");
        let parameters: [&(dyn db::ToSql + Sync); 4] =
            [&self.number, &table.name, &self.old.source, &beginning];
        let before = Progress::from(self.ours.query_one(sql, &parameters).await?);
        let mut now = before;
        let mut read = 0;
        let mut told = Instant::now();
        self.done.insert(table.name, Done { before, now, read, counted: None });
        while now.last_id < end {
            let came;
            (came, now) = self.step(place, now.last_id).await?;
            if came == 0 {
                break;
            }
            read += came;
            self.done.insert(table.name, Done { before, now, read, counted: None });
            if told.elapsed() > TOLD {
                told = Instant::now();
                tracing::info!(table = table.name, read, last_id = now.last_id, end, "importing");
            }
        }
        tracing::info!(table = table.name, read, last_id = now.last_id, end, "imported");
        Ok(())
    }

    /// Takes over the next rows behind an id: how many, and how far the table has come.
    async fn step(&mut self, place: usize, after: i64) -> anyhow::Result<(i64, Progress)> {
        let OldTable { table, ref rows, end, .. } = self.old.tables[place];
        let rows = format!(
            "{rows} WHERE old.id > {after} AND old.id <= {end} ORDER BY old.id LIMIT {STEP}"
        );
        let store: Vec<String> =
            table.store.iter().map(|script| self.fill(script, table.name)).collect();
        let end_step = include_str!("import/end_step.sql").replace("{staging}", table.staging);
        let transaction = begin(&mut self.ours).await?;
        let came = db::copy(&self.old.db, &rows, &transaction, table.staging).await?;
        for script in store.iter().filter(|_| came > 0) {
            transaction.batch_execute(script).await?;
        }
        let now = transaction.query_one(&end_step, &[&self.number, &table.name]).await?;
        transaction.commit().await?;
        Ok((i64::try_from(came)?, now.into()))
    }
}

/// Which of the databases that were ever imported `source` is.
async fn number(ours: &db::Client, source: &str, options: Options) -> anyhow::Result<i32> {
    let known = ours.query(include_str!("import/databases.sql"), &[]).await;
    let known = known.context("the database needs `migrate` before `migrate import`")?;
    let known: Vec<(i32, String)> = known.iter().map(|row| (row.get(0), row.get(1))).collect();
    if let Some((number, _)) = known.iter().find(|(_, name)| name == source) {
        return Ok(*number);
    }
    let Some((last, other)) = known.last() else { return Ok(0) };
    anyhow::ensure!(
        options.another,
        "{other} was imported before, and this is {source}: if that is the same database in another \
         place, change imports.source; if it is another one, say --another"
    );
    Ok(last + 1)
}

/// Begins a transaction during which no purge runs: it would remove connections that have no
/// messages yet, and finds nothing in between.
async fn begin(ours: &mut db::Client) -> Result<Transaction<'_>, db::Error> {
    let transaction = ours.transaction().await?;
    transaction.execute(include_str!("import/await_purge.sql"), &[]).await?;
    Ok(transaction)
}
