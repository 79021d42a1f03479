//! Where figures come from.

use std::{fmt, fs, process::Command};

use anyhow::Context as _;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_gib: u64,
    postgresql: String,
    redis: String,
    revision: String,
}

impl Machine {
    pub(crate) fn this() -> anyhow::Result<Self> {
        let cpu = field("/proc/cpuinfo", "model name")?;
        let memory = field("/proc/meminfo", "MemTotal")?;
        let memory_kib: u64 = memory.trim_end_matches(" kB").parse()?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu,
            memory_gib: memory_kib.div_ceil(1 << 20),
            postgresql: answer("postgres", &["--version"])?,
            redis: answer("redis-server", &["--version"])?,
            // Not in every copy of the source.
            revision: answer(
                "git",
                &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"],
            )
            .unwrap_or_else(|_| "unknown".to_owned()),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { cores, cpu, memory_gib, postgresql, redis, revision } = self;
        write!(
            f,
            "{cores} cores ({cpu}), {memory_gib} GiB; {postgresql}; {redis}; revision {revision}"
        )
    }
}

/// The first value of this name in a file of `name: value` lines.
fn field(file: &str, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let value =
        fields.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim().to_owned());
    Ok(value.unwrap_or_else(|| "unknown".to_owned()))
}

/// The first words that a program answers.
fn answer(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    anyhow::ensure!(output.status.success(), "{program} {arguments:?} failed");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
