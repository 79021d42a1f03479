//! What an answer takes when the history behind it is long, beside a tenth of it and beside 0.1.4's way.

mod history;
mod old;
mod question;
mod site;

use anyhow::Result;
use shared::testing::{Database, Function, Postgres};

use self::{
    history::{EXPIRY, History},
    old::OldTables,
    question::Question,
    site::{REQUESTS, Site},
};
use crate::{
    figure::{Sample, scaled},
    patience::until,
    sender::{Load, Sender},
    stack::{Stack, without_autovacuum},
};

/// Rounds of 100 messages of each of 2,000 nodes: 10 M messages and 1 M.
const MANY: u64 = 50;
const FEW: u64 = 5;
/// Messages per second that come while it is asked again.
const RATE: f64 = 2000.0;

/// Everything that is asked.
struct Trial {
    questions: Vec<Question>,
    large: Side,
    small: Side,
    old: OldTables,
    /// Requests so far, each of another node than the one before.
    asked: u64,
}

/// A filled database, and who answers from it.
struct Side {
    history: History,
    site: Site,
}

/// All runs on the same databases, since to fill them takes longest.
pub(crate) async fn runs(runs: u32, scale: f64) -> Result<Vec<Vec<Sample>>> {
    let postgres = Postgres::durable();
    let [many, few] = [(); 2].map(|()| migrated(&postgres));
    without_autovacuum(&few.owner().await).await?;
    eprintln!("query: databases are filled");
    let mut trial = Trial::start(&many, &few, scale).await?;
    let stack = Stack::start_on(postgres, many, &[EXPIRY]).await?;
    let mut samples = Vec::new();
    for run in 1..=runs {
        eprintln!("query: run {run} of {runs}");
        samples.push(trial.calm().await?);
    }
    // Last, since what comes now is of other nodes, and no longer counted above.
    eprintln!("query: while messages come");
    let load = Load { rate: RATE, ..Load::FLAT_OUT };
    let sender = Sender::start(&stack.pipeline.ingest, &load)?;
    until("messages come", async || Ok(stack.stored().await? > 0)).await?;
    for _ in 1..=runs {
        samples.push(trial.busy().await?);
    }
    let sent = sender.stop().await?;
    stack.until_stored(sent.messages).await?;
    stack.check(sent.messages, trial.large.history.messages()).await?;
    Ok(samples)
}

/// A database without any message yet.
fn migrated(postgres: &Postgres) -> Database {
    let database = postgres.empty_database();
    Function::run("migrate", &[("DATABASE_URL", &database.url("tetcore")), EXPIRY], &[]);
    database
}

impl Trial {
    async fn start(many: &Database, few: &Database, scale: f64) -> Result<Self> {
        let questions = question::all();
        let small = Side::start(few, scaled(FEW, scale), &questions).await?;
        let large = Side::start(many, scaled(MANY, scale), &questions).await?;
        let old = OldTables::make(many, &large.history).await?;
        for side in [&small, &large] {
            side.history.settle().await?;
        }
        Ok(Self { questions, large, small, old, asked: 0 })
    }

    /// One run while nothing else goes on.
    async fn calm(&mut self) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let Self { questions, large, small, old, asked } = self;
        for question in &*questions {
            let name = question.name();
            if question.fresh {
                small.history.report().await?;
                old.copy(large.history.report().await?).await?;
            }
            *asked += REQUESTS;
            large.site.walk(question, &large.history).await?;
            let many = large.site.measure(question, &large.history, *asked).await?;
            small.site.walk(question, &small.history).await?;
            let few = small.site.measure(question, &small.history, *asked).await?;
            eprintln!("query: {name}: {:.1} and {:.1} ms", many.median, few.median);
            samples.extend([
                Sample::new(format!("{name}: median"), many.median, "ms")
                    .beside("1 M", few.median)
                    .goal("ratio ≤ 1.5"),
                Sample::new(format!("{name}: p99"), many.p99, "ms")
                    .beside("1 M", few.p99)
                    .goal("≤ 20"),
            ]);
            if let Some(old) = old.measure(question, &large.history, *asked).await? {
                let what = format!("{name}: median of 0.1.4's way");
                samples.push(Sample::new(what, old, "ms").beside("ours", many.median));
            }
        }
        Ok(samples)
    }

    /// One run while messages come.
    async fn busy(&mut self) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let Self { questions, large, asked, .. } = self;
        for question in questions.iter().filter(|question| question.busy) {
            let name = question.name();
            if question.fresh {
                large.history.report().await?;
            }
            *asked += REQUESTS;
            let times = large.site.measure(question, &large.history, *asked).await?;
            eprintln!("query: {name}: {:.1} ms", times.median);
            samples.extend([
                Sample::new(format!("{name}, while messages come: median"), times.median, "ms"),
                Sample::new(format!("{name}, while messages come: p99"), times.p99, "ms")
                    .goal("≤ 20"),
            ]);
        }
        Ok(samples)
    }
}

impl Side {
    async fn start(database: &Database, rounds: u64, questions: &[Question]) -> Result<Self> {
        let history = History::make(database, rounds).await?;
        Ok(Self { history, site: Site::start(database, questions) })
    }
}
