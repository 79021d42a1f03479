//! Statements that need a lock which others hold. Whoever waits for a table makes everyone after it
//! wait as well, so they wait for a moment only (`lock_timeout`), but again and again.

use std::time::Duration;

use shared::{
    db::{self, SqlState},
    service::Shutdown,
};

/// How often a statement is tried against the locks of others.
const ATTEMPTS: u32 = 20;
/// Between these attempts, so that those who had to wait get on.
const PAUSE: Duration = Duration::from_millis(500);

/// Tries `statement` until the locks that it needs are free; `None` if they never were.
pub(crate) async fn patiently<T>(
    db: &db::Client,
    shutdown: &Shutdown,
    statement: impl AsyncFn() -> Result<T, db::Error>,
) -> Result<Option<T>, db::Error> {
    for _ in 0..ATTEMPTS {
        match statement().await {
            Err(error) if is_locked(&error) => {
                // Ends the transaction if the statement began one; else it is only a warning.
                db.batch_execute("ROLLBACK").await?;
                if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                    break;
                }
            }
            result => return result.map(Some),
        }
    }
    Ok(None)
}

fn is_locked(error: &db::Error) -> bool {
    matches!(error.code(), Some(&(SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED)))
}
