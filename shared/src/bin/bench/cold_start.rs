//! From the start of each function to its first answer, and what it takes in bytes.

use std::{
    env, fs, io,
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
        let route = route(&start()).await?;
        for _ in 0..STARTS {
            let begin = Instant::now();
            let function = start();
            answers(&function, &route).await?;
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            samples.push(Sample::new(format!("{name}: start"), milliseconds, "ms").goal("≤ 50"));
        }
        let function = start();
        for _ in 0..REQUESTS {
            answers(&function, &route).await?;
        }
        let bytes = [
            ("binary", size(&name)?, "≤ 8"),
            ("resident after 1,000 requests", function.resident_bytes(), "≤ 15"),
        ];
        samples.extend(bytes.map(|(what, bytes, goal)| {
            Sample::new(format!("{name}: {what}"), real(bytes) / 1e6, "MB").goal(goal)
        }));
    }
    Ok(samples)
}

/// All functions: a folder each, named like its binary.
fn functions() -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut names = entries
        .into_iter()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().ok().context("a function's name is no text"))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Whom a function logs in as.
pub(crate) fn role(name: &str) -> &'static str {
    match name {
        "batch-flush" => "tetcore_flush",
        "purge-job" => "tetcore",
        "host-systems" | "benchmarks" => "tetcore_admin",
        _ => "tetcore_query",
    }
}

fn arguments(name: &str) -> &'static [&'static str] {
    match name {
        "purge-job" => &["--loop"],
        _ => &[],
    }
}

/// What is asked for: the first route that the function describes, with a value for what it cannot
/// do without, or else whether it has what it needs.
async fn route(function: &Function) -> Result<String> {
    let description = function.get("/openapi.json").await.json();
    let Some(paths) = description["paths"].as_object() else {
        anyhow::bail!("no paths in {description}");
    };
    let first = paths.iter().find_map(|(path, methods)| Some((path, methods.get("get")?)));
    let Some((path, operation)) = first else {
        return Ok("/readyz".to_owned());
    };
    let (mut route, mut query) = (path.clone(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().context("a parameter without a name")?;
        if parameter["in"] == "path" {
            route = route.replace(&format!("{{{name}}}"), "1");
        } else if parameter["required"] == true {
            query.push(format!("{name}=1"));
        }
    }
    Ok(format!("{route}?{}", query.join("&")))
}

/// Asks until the answer is a success.
async fn answers(function: &Function, route: &str) -> Result<()> {
    patiently("a function answers", async {
        while !function.get(route).await.status.is_success() {
            sleep(PAUSE).await;
        }
        Ok(())
    })
    .await
}

fn size(name: &str) -> Result<u64> {
    Ok(fs::metadata(env::current_exe()?.with_file_name(name))?.len())
}
