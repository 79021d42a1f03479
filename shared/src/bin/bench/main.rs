//! Measures what the system costs on this machine: the shipped binaries on private servers, each figure beside
//! its reference of the same run, and every message accounted for after each run.

mod backlog;
mod cold_start;
mod feed;
mod figure;
mod fill;
mod growth;
mod idle;
mod ingest;
mod large;
mod latency;
mod machine;
mod patience;
mod probe;
mod purge;
mod query;
mod reference;
mod report;
mod sender;
mod stack;
mod storage;
mod table;
mod visibility;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::{
    figure::{Sample, collect},
    report::{Report, Section},
};

/// Measures the shipped binaries on private servers, on this machine.
///
/// Every figure is the median of several runs, with the smallest and the largest of them, beside its reference,
/// which is measured in the same run. A run whose counts do not add up is a failure.
#[derive(Parser)]
struct Options {
    /// What to measure
    #[arg(value_enum)]
    mode: Mode,

    /// How often each measurement is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Multiplies the number of messages, sockets, rows or seconds
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    scale: f64,

    /// Write the figures to this file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// 2 M messages, as fast as they are taken, from 100 sockets into PostgreSQL
    Ingest,
    /// From the socket to where a query sees it, at half of what can be sustained
    Latency,
    /// 15,000 connections, held for a minute, that say who they are and nothing else
    Idle,
    /// 40,000 messages of 20 kB, into Redis
    Large,
    /// PostgreSQL is away for a minute while 20,000 messages come each second
    Backlog,
    /// What a row costs when 20 M are there already, and when 1 M are
    Growth,
    /// Every route with 10 M messages of 2,000 nodes, beside 1 M, and beside the same question in
    /// plain SQL over tables as 0.1.4 had them, without HTTP, which flatters it
    Query,
    /// 1,000 subscribers of 100 nodes, which send 5,000 messages a second together
    Feed,
    /// From the start of each function to its first answer
    ColdStart,
    /// Half of 20 M rows expire while 10,000 messages come each second
    Purge,
    /// The room of 1 M messages, fresh and packed, beside that in tables as 0.1.4 had them, and what it takes to read
    /// packed ones
    Storage,
    /// Everything, one after the other
    All,
}

impl Mode {
    fn each(self) -> Vec<Self> {
        match self {
            Self::All => {
                let all = Self::value_variants().iter().copied();
                all.filter(|mode| *mode != Self::All).collect()
            }
            one => vec![one],
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it does, in a line.
    fn title(self) -> String {
        self.to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }

    /// What came out in each run.
    async fn runs(self, runs: u32, scale: f64) -> anyhow::Result<Vec<Vec<Sample>>> {
        if self == Self::Query {
            return query::runs(runs, scale).await;
        }
        let mut samples = Vec::new();
        for run in 1..=runs {
            eprintln!("{}: run {run} of {runs}", self.name());
            samples.push(self.run(scale).await?);
        }
        Ok(samples)
    }

    async fn run(self, scale: f64) -> anyhow::Result<Vec<Sample>> {
        match self {
            Self::Ingest => ingest::run(scale).await,
            Self::Latency => latency::run(scale).await,
            Self::Idle => idle::run(scale).await,
            Self::Large => large::run(scale).await,
            Self::Backlog => backlog::run(scale).await,
            Self::Growth => growth::run(scale).await,
            Self::ColdStart => cold_start::run().await,
            Self::Purge => purge::run(scale).await,
            Self::Feed => feed::run(scale).await,
            Self::Storage => storage::run(scale).await,
            Self::Query => unreachable!("its runs share their databases"),
            Self::All => unreachable!("it is each of the others"),
        }
    }
}

fn positive(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 1000.0 => Ok(number),
        _ => Err("expected a number above 0, and 1000 at most"),
    }
}

// What blocks, such as a server's start, blocks the main thread alone: it starts all processes, which end with it.
#[tokio::main(worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut report = Report::new(options.runs, options.scale)?;
    println!("{}", report.heading());
    for mode in options.mode.each() {
        let runs = mode.runs(options.runs, options.scale).await?;
        let section = Section::new(mode.name(), mode.title(), collect(runs));
        println!("\n{section}");
        report.add(section);
        if let Some(file) = &options.json {
            report.write(file)?;
        }
    }
    Ok(())
}
