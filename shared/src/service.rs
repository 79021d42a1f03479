//! The bracket around every function: logs, settings, threads, signals and the exit code.

use std::{future::Future, process::ExitCode};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config;

/// Asks a function to finish what it holds and return; cloned into whatever must notice.
pub use tokio_util::sync::CancellationToken as Shutdown;
/// Waits for the tasks of a function, such as its connections.
pub use tokio_util::task::TaskTracker;

/// What concerns the process rather than the function.
#[derive(Debug, Deserialize, Serialize)]
struct Process {
    /// Worker threads; by default one for each processor.
    #[serde(default, deserialize_with = "config::optional_number")]
    num_threads: Option<usize>,
    /// Which log lines are written, as tracing-subscriber's `EnvFilter` reads it.
    #[serde(default = "default_log")]
    rust_log: String,
}

fn default_log() -> String {
    "info".to_owned()
}

/// Runs `function` with its settings until it returns; SIGTERM and SIGINT cancel the
/// [`Shutdown`] that it is given.
///
/// Logs are JSON lines on standard error. What goes wrong is logged once, here, and becomes
/// exit code 1; settings that cannot be used become exit code 2.
pub fn run<C, F, R>(name: &'static str, function: F) -> ExitCode
where
    C: DeserializeOwned + Serialize,
    F: FnOnce(C, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let settings = config::load::<Process>()
        .and_then(|process| config::load::<C>().map(|config| (process, config)));
    let filter = match &settings {
        Ok((process, _)) => EnvFilter::try_new(&process.rust_log),
        Err(_) => EnvFilter::try_new(default_log()),
    };
    let bad_filter = filter.as_ref().err().map(ToString::to_string);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_writer(std::io::stderr)
        // A reader of the log that is gone must not be the end of the function, too.
        .log_internal_errors(false)
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(default_log())))
        .init();
    let (process, config) = match (settings, bad_filter) {
        (Ok(settings), None) => settings,
        (Ok(_), Some(error)) => return refuse(name, &format!("RUST_LOG: {error}")),
        (Err(error), _) => return refuse(name, &error.to_string()),
    };
    tracing::info!(
        function = name,
        version = env!("CARGO_PKG_VERSION"),
        settings = %in_force(&process, &config),
        "starting"
    );
    match bracket(&process, config, function) {
        Ok(()) => {
            tracing::info!(function = name, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(function = name, error = format!("{error:#}"), "failed");
            ExitCode::FAILURE
        }
    }
}

fn bracket<C, F, R>(process: &Process, config: C, function: F) -> anyhow::Result<()>
where
    F: FnOnce(C, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = process.num_threads {
        anyhow::ensure!(threads > 0, "NUM_THREADS: at least 1 thread is needed");
        builder.worker_threads(threads);
    }
    builder.enable_all().build()?.block_on(async {
        let shutdown = Shutdown::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let requested = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            requested.cancel();
            tracing::info!("asked to stop");
        });
        function(config, shutdown).await
    })
}

fn refuse(name: &str, error: &str) -> ExitCode {
    tracing::error!(function = name, error, "settings cannot be used");
    ExitCode::from(2)
}

/// All settings as one JSON object; secrets hide themselves when serialised.
fn in_force(process: &Process, config: &impl Serialize) -> String {
    let mut all = serde_json::json!(process);
    if let (Some(all), Ok(serde_json::Value::Object(config))) =
        (all.as_object_mut(), serde_json::to_value(config))
    {
        all.extend(config);
    }
    all.to_string()
}
