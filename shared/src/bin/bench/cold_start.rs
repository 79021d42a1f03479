//! From the start of each function to its first answer, and what it takes in bytes.

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use shared::testing::{Function, Postgres, Redis};
use tokio::time::sleep;

use crate::{
    figure::{Sample, real},
    patience::patiently,
};

const STARTS: u32 = 20;
const REQUESTS: u32 = 1000;
const PAUSE: Duration = Duration::from_micros(200);

pub(crate) async fn run() -> Result<Vec<Sample>> {
    let (postgres, redis) = (Postgres::durable(), Redis::start());
    let database = postgres.database();
    let redis_url = redis.url();
    let mut samples = Vec::new();
    for name in functions()? {
        // It ends by itself.
        if name == "migrate" {
            continue;
        }
        let url = database.url(role(&name));
        let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis_url)];
        let start = || Function::start_with(&name, &settings, arguments(&name));
        for _ in 0..STARTS {
            let begin = Instant::now();
            let function = start();
            answers(&function, &name).await?;
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            samples.push(Sample::new(format!("{name}: start"), milliseconds, "ms"));
        }
        let function = start();
        for _ in 0..REQUESTS {
            answers(&function, &name).await?;
        }
        let bytes = [("binary", size(&name)?), ("resident", function.resident_bytes())];
        samples.extend(bytes.map(|(what, bytes)| {
            Sample::new(format!("{name}: {what}"), real(bytes) / f64::from(1 << 20), "MiB")
        }));
    }
    Ok(samples)
}

/// All functions: a folder each, named like its binary.
fn functions() -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let names = fs::read_dir(folder)?
        .map(|entry| entry?.file_name().into_string().ok().context("a function's name is no text"));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn role(name: &str) -> &'static str {
    match name {
        "batch-flush" => "tetcore_flush",
        "purge-job" => "tetcore",
        _ => "tetcore_query",
    }
}

fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "purge-job" => &["--loop"],
        _ => &[],
    }
}

/// What is asked for: a route of its own, or else whether it has what it needs.
fn route(name: &str) -> &'static str {
    match name {
        "query-nodes" => "/nodes",
        "query-node-logs" => "/nodes/logs?peer_id=unknown",
        _ => "/readyz",
    }
}

/// Asks until the answer is a success.
async fn answers(function: &Function, name: &str) -> Result<()> {
    patiently("a function answers", async {
        while !function.get(route(name)).await.status.is_success() {
            sleep(PAUSE).await;
        }
        Ok(())
    })
    .await
}

fn size(name: &str) -> Result<u64> {
    Ok(fs::metadata(env::current_exe()?.with_file_name(name))?.len())
}
