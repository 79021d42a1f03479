//! Breaks every part of a running system, again and again, and counts at the end whether anything
//! was lost that should not be.

mod books;
mod faults;
mod nodes;
mod stack;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use tokio::time::{sleep, timeout};

use crate::{
    books::{Books, Rows, balance},
    faults::{Fault, Plan, Strike},
    stack::Stack,
};

/// How long the system may take until it is well again, and until all has come to rest.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// A shorter run has no fault that takes long.
const SHORT: Duration = Duration::from_mins(1);

/// Breaks every part of a running system, on private servers of this machine, while nodes send;
/// then no message may be lost but those that a killed ws-ingest had in hand, and none be stored
/// twice.
#[derive(Parser)]
struct Options {
    /// How long to go on
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// The same seed breaks the same parts in the same order [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
}

/// How long it took after each fault until all was well.
type Recoveries = BTreeMap<Fault, Vec<Duration>>;

/// Breaks things until the time is over.
async fn strike(stack: &mut Stack, seed: u64, time: Duration) -> anyhow::Result<Recoveries> {
    let mut plan = Plan::new(seed, time < SHORT);
    let mut recoveries = Recoveries::new();
    let begin = Instant::now();
    recovered(stack).await.context("at the beginning")?;
    while begin.elapsed() < time {
        let Strike { faults, which, hold, pause } = plan.next();
        let names: Vec<_> = faults.iter().map(|fault| fault.name()).collect();
        let names = names.join(" and ");
        println!("{:7.2} s: {names}, for {} ms", begin.elapsed().as_secs_f64(), hold.as_millis());
        for fault in &faults {
            stack.begin(*fault, which).await.with_context(|| names.clone())?;
        }
        sleep(hold).await;
        for fault in &faults {
            stack.end(*fault, which).with_context(|| names.clone())?;
        }
        let after = recovered(stack).await.with_context(|| names.clone())?;
        for fault in faults {
            recoveries.entry(fault).or_default().push(after);
        }
        sleep(pause).await;
    }
    Ok(recoveries)
}

/// Waits until all is well and messages flow: how long that took.
async fn recovered(stack: &Stack) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let before = stack.stored().await;
    let well = async {
        while !stack.is_well().await || stack.stored().await <= before {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, well).await.context("the system does not recover")?;
    Ok(begin.elapsed())
}

/// Has everything come to rest, and counts.
async fn settle(stack: &mut Stack) -> anyhow::Result<Books> {
    let (sent, open) = stack.stop_nodes().await?;
    let rest = async {
        loop {
            let rows = Rows::read(&stack.database, &sent).await?;
            // Nodes stay connected until then, so that nothing of theirs is cut off.
            if rows.has_open(&sent) && stack.is_at_rest().await {
                return anyhow::Ok(());
            }
            sleep(LOOK).await;
        }
    };
    let is_at_rest = timeout(PATIENCE, rest).await;
    drop(open);
    stack.count().await;
    let rows = Rows::read(&stack.database, &sent).await?;
    let mut books = balance(&rows, &sent, &stack.instances);
    match is_at_rest {
        Ok(result) => result?,
        Err(_) => books.faults.push("it did not come to rest".to_owned()),
    }
    books.faults.extend(stack.leaks().await);
    stack.database.assert_derived().await;
    Ok(books)
}

fn print(recoveries: &Recoveries, books: &Books) {
    println!("\n| {:<45} | times | recovery, median | longest |", "fault");
    println!("|{:-<47}|------:|-----------------:|--------:|", "");
    for (fault, times) in recoveries {
        let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        let (median, longest) = (seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
        let count = seconds.len();
        println!("| {:<45} | {count:>5} | {median:>14.2} s | {longest:>5.2} s |", fault.name());
    }
    println!("\n| {:<61} | messages |", "what became of what was sent");
    println!("|{:-<63}|---------:|", "");
    for (what, count) in [
        ("sent", books.sent),
        ("stored", books.stored),
        ("not read by anybody, since their connection ended", books.unread),
        ("dropped and counted", books.dropped),
        ("lost with a ws-ingest that was killed", books.killed),
        ("… a moment before the kill it had read and not handed over", books.in_hand),
        ("duplicates", books.duplicates),
    ] {
        println!("| {what:<61} | {count:>8} |");
    }
}

// What blocks, such as a server's start, blocks the main thread alone: it starts all processes,
// which end with it.
#[tokio::main(worker_threads = 1)]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(()) % 1_000_000);
    println!("--seed {seed} --seconds {}", options.seconds);
    let mut stack = Stack::start(seed).await?;
    let recoveries = strike(&mut stack, seed, Duration::from_secs(options.seconds)).await?;
    let books = settle(&mut stack).await?;
    print(&recoveries, &books);
    for fault in &books.faults {
        println!("WRONG: {fault}");
    }
    Ok(if books.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
