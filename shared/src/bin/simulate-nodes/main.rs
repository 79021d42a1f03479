//! Simulates blockchain nodes that send telemetry, and generates load with them at next to no cost of its own.

mod catalogue;
mod digits;
mod endpoint;
mod frame;
mod node;
mod options;
mod pace;
mod simulation;
mod slot;
mod socket;
mod summary;
mod tally;
mod template;
#[cfg(test)]
mod tests;

use std::{io, process::ExitCode};

use clap::Parser;

use crate::options::Options;

// One thread does: it sends more than any server takes, and leaves the other cores to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let summary = simulation::run(&options).await?;
    if options.json {
        println!("{}", summary.json());
    } else {
        println!("{summary}");
    }
    Ok(if summary.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
