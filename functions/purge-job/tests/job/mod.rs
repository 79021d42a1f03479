//! Runs of purge-job.

use std::{process::Stdio, thread, time::Duration};

use serde_json::Value;
use shared::testing::{Database, Function, command};

/// Runs purge-job to its end: the summary that it printed.
pub fn run(
    database: &Database,
    compact_after_h: &str,
    log_expiry_h: &str,
    arguments: &[&str],
) -> Value {
    let url = database.url("tetcore");
    let settings = settings(&url, compact_after_h, log_expiry_h);
    let output = Function::output("purge-job", &settings, arguments);
    serde_json::from_str(output.lines().last().unwrap()).unwrap()
}

/// Runs purge-job, and kills it after a time. A compaction packs what is older than an hour.
pub fn run_and_kill(database: &Database, log_expiry_h: &str, arguments: &[&str], after: Duration) {
    let url = database.url("tetcore");
    let mut run = command("purge-job", &settings(&url, "1", log_expiry_h), arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(after);
    run.kill().unwrap();
    run.wait().unwrap();
}

fn settings<'a>(
    url: &'a str,
    compact_after_h: &'a str,
    log_expiry_h: &'a str,
) -> [(&'a str, &'a str); 3] {
    [("DATABASE_URL", url), ("COMPACT_AFTER_H", compact_after_h), ("LOG_EXPIRY_H", log_expiry_h)]
}
