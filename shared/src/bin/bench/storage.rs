//! The room of a message, fresh and packed, beside that in tables as 0.1.4 had them; and what it takes to
//! read packed ones.

use std::time::Instant;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use shared::{http::Time, testing::Function};

use crate::{
    figure::{Sample, percentile, real, scaled},
    fill::{count_filled, fill},
    patience::patiently,
    sender::Load,
    stack::{Stack, without_autovacuum},
};

const ROWS: u64 = 1_000_000;
/// What rows are made of.
const ORIGINALS: u64 = 100_000;
/// Partitions of an hour, all of them older than COMPACT_AFTER_H.
const HOURS: i64 = 40;
const COMPACT_AFTER_H: &str = "1";
/// To a question, of one node after the other.
const REQUESTS: usize = 200;
/// Of a statement over all messages of some time.
const REPEATS: usize = 5;

/// The last line of `purge-job compact`.
#[derive(Deserialize)]
struct Summary {
    messages_packed: u64,
    complete: bool,
}

/// What is asked before and after.
const QUESTIONS: [(&str, &str, &str); 7] = [
    ("the newest 100 of a node", "query-node-logs", "/nodes/logs?peer_id={peer}&end_time={to}"),
    (
        "a full page of a node",
        "query-node-logs",
        "/nodes/logs?peer_id={peer}&end_time={to}&limit=10000",
    ),
    (
        "an hour of a node",
        "query-node-logs",
        "/nodes/logs?peer_id={peer}&start_time={from}&end_time={to}&limit=10000",
    ),
    (
        "the newest 100 of a type",
        "query-node-logs",
        "/nodes/logs?peer_id={peer}&end_time={to}&msg=block.import",
    ),
    (
        "the newest 100 of a target",
        "query-node-logs",
        "/nodes/logs?peer_id={peer}&end_time={to}&target=pallet_balances",
    ),
    ("log_stats", "query-log-stats", "/nodes/log_stats?peer_id={peer}"),
    ("nodes", "query-nodes", "/nodes"),
];

/// Statements of users and dashboards, over an hour and over everything.
const STATEMENTS: [(&str, &str); 3] = [
    (
        "SQL: messages of a type by minute, of an hour",
        "SELECT date_trunc('minute', created_at), count(*) FROM tetcore_logs
         WHERE created_at BETWEEN '{from}' AND '{to}' AND msg = 'block.import' GROUP BY 1",
    ),
    (
        "SQL: best height by node, of an hour",
        "SELECT node_id, max((logs ->> 'height')::bigint) FROM tetcore_logs
         WHERE created_at BETWEEN '{from}' AND '{to}' AND msg = 'system.interval' GROUP BY 1",
    ),
    ("SQL: messages by type, of everything", "SELECT msg, count(*) FROM tetcore_logs GROUP BY 1"),
];

/// A database that is asked.
struct Site<'a> {
    stack: &'a Stack,
    functions: Vec<(&'static str, Function)>,
    peers: Vec<String>,
    to: DateTime<Utc>,
}

pub(crate) async fn run(scale: f64) -> Result<Vec<Sample>> {
    let rows = scaled(ROWS, scale);
    let stack = Stack::start(&[]).await?;
    without_autovacuum(&stack.owner).await?;
    let originals = scaled(ORIGINALS, scale.min(1.0));
    stack.take_in(&Load { messages: Some(originals), ..Load::FLAT_OUT }).await?;
    stack.owner.batch_execute(include_str!("old_partitions.sql")).await?;
    stack.owner.execute("SELECT pg_temp.make_old_partitions('1 hour', 50)", &[]).await?;
    let to = Utc::now() - TimeDelta::hours(3);
    fill(&stack.owner, rows, to - TimeDelta::hours(HOURS), to).await?;
    count_filled(&stack.owner).await?;
    let noted = stack.owner.batch_execute(include_str!("storage/note_targets.sql"));
    patiently("their targets are noted", async { Ok(noted.await?) }).await?;
    vacuum(&stack).await?;

    let old = old_bytes(&stack, to).await? / real(rows);
    let fresh_bytes = bytes(&stack, to).await? / real(rows);
    let site = Site::start(&stack, to).await?;
    let fresh = site.ask().await?;
    let start = Instant::now();
    let summary = compact(&stack)?;
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(summary.complete, "something is left for the next run");
    anyhow::ensure!(
        summary.messages_packed == rows,
        "{} messages were packed, not {rows}",
        summary.messages_packed
    );
    stack.check(originals, rows).await?;
    vacuum(&stack).await?;
    let packed_bytes = bytes(&stack, to).await? / real(rows);
    let packed = site.ask().await?;

    let mut samples = vec![
        Sample::new("a message, fresh", fresh_bytes, "B").beside("0.1.4", old).goal("ratio ≤ 0.9"),
        Sample::new("a message, packed", packed_bytes, "B")
            .beside("0.1.4", old)
            .goal("ratio ≤ 0.3"),
        Sample::new("packing", seconds / real(rows) * 1e6, "s/million"),
    ];
    for ((name, packed), (_, fresh)) in packed.into_iter().zip(fresh) {
        let sample = Sample::new(format!("{name}, packed: median"), packed, "ms");
        samples.push(sample.beside("fresh", fresh).goal("ratio ≤ 3"));
    }
    Ok(samples)
}

/// Leaves nothing to do for later, so that it burdens neither side.
async fn vacuum(stack: &Stack) -> Result<()> {
    patiently("the database is vacuumed", async {
        stack.owner.batch_execute("VACUUM (ANALYZE)").await?;
        stack.checkpoint().await
    })
    .await
}

/// Bytes of the partitions up to a time, with indexes and slices.
async fn bytes(stack: &Stack, to: DateTime<Utc>) -> Result<f64> {
    let row = stack.owner.query_one(include_str!("storage/bytes.sql"), &[&to]).await?;
    Ok(real(u64::try_from(row.get::<_, i64>(0))?))
}

/// Bytes of the same messages as 0.1.4 had them, with indexes.
async fn old_bytes(stack: &Stack, to: DateTime<Utc>) -> Result<f64> {
    let owner = &stack.owner;
    patiently("0.1.4's table is made", async {
        owner.batch_execute(include_str!("query/old_tables.sql")).await?;
        owner.execute(include_str!("storage/old_messages.sql"), &[&to]).await?;
        owner.batch_execute(include_str!("storage/old_indexes.sql")).await?;
        Ok(())
    })
    .await?;
    let sql = "SELECT pg_total_relation_size('v0_1_4.substrate_logs')";
    let bytes = stack.number(sql).await?;
    owner.batch_execute("DROP SCHEMA v0_1_4 CASCADE").await?;
    Ok(real(bytes))
}

fn compact(stack: &Stack) -> Result<Summary> {
    let url = stack.pipeline.database.url("tetcore");
    let settings = [("DATABASE_URL", url.as_str()), ("COMPACT_AFTER_H", COMPACT_AFTER_H)];
    let output = Function::output("purge-job", &settings, &["compact"]);
    Ok(serde_json::from_str(output.lines().last().unwrap_or_default())?)
}

impl<'a> Site<'a> {
    async fn start(stack: &'a Stack, to: DateTime<Utc>) -> Result<Self> {
        let url = stack.pipeline.database.url("tetcore_query");
        let mut functions: Vec<(&str, Function)> = Vec::new();
        for (_, name, _) in QUESTIONS {
            if functions.iter().all(|(known, _)| *known != name) {
                functions.push((name, Function::start(name, &[("DATABASE_URL", &url)])));
            }
        }
        let peers = stack.owner.query("SELECT peer_id FROM nodes ORDER BY id", &[]).await?;
        let peers = peers.iter().map(|row| row.get(0)).collect();
        Ok(Self { stack, functions, peers, to })
    }

    /// The median of the milliseconds that each answer takes.
    async fn ask(&self) -> Result<Vec<(&'static str, f64)>> {
        let mut medians = Vec::new();
        for (name, function, path) in QUESTIONS {
            let (_, function) = self
                .functions
                .iter()
                .find(|(known, _)| *known == function)
                .context("no such function")?;
            let mut milliseconds = Vec::new();
            for peer in self.peers.iter().cycle().take(REQUESTS) {
                let path = self.about(path).replace("{peer}", peer);
                let start = Instant::now();
                let answer = function.get(&path).await;
                milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
                anyhow::ensure!(answer.status == 200, "{path}: {}", answer.text());
            }
            medians.push((name, percentile(milliseconds, 0.5)));
        }
        for (name, sql) in STATEMENTS {
            let sql = self.about(sql);
            let mut milliseconds = Vec::new();
            for _ in 0..REPEATS {
                let start = Instant::now();
                self.stack.owner.simple_query(&sql).await?;
                milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
            }
            medians.push((name, percentile(milliseconds, 0.5)));
        }
        Ok(medians)
    }

    fn about(&self, template: &str) -> String {
        let time = |time| Time(time).to_string();
        template
            .replace("{from}", &time(self.to - TimeDelta::hours(1)))
            .replace("{to}", &time(self.to))
    }
}
