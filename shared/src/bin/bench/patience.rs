//! Waiting, in bounds.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{sleep, timeout};

/// How long a single step may take, on a slow machine and at a large scale.
const PATIENCE: Duration = Duration::from_mins(30);
/// Between two looks; part of what is measured.
const PAUSE: Duration = Duration::from_millis(20);

/// The result of `step`, which must come to an end.
pub(crate) async fn patiently<T>(
    what: &str,
    step: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    timeout(PATIENCE, step).await.with_context(|| format!("this takes too long: {what}"))?
}

/// Waits until `condition` holds.
pub(crate) async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    patiently(what, async {
        while !condition().await? {
            sleep(PAUSE).await;
        }
        Ok(())
    })
    .await
}
