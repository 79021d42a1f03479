//! Transactions that see the database as it was. For who drops or truncates a table whose rows went
//! elsewhere: such a transaction would find them neither here, where the room is gone, nor there,
//! where they came after it had begun.

use std::time::Duration;

use shared::{db, service::Shutdown};

/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether they have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until all transactions that go on now have ended: whether they did. A statement that
/// begins later, or is repeated, sees all that is committed now.
pub(crate) async fn older_ones_end(
    db: &db::Client,
    shutdown: &Shutdown,
) -> Result<bool, db::Error> {
    let older: Vec<String> = db.query_one(include_str!("open_transactions.sql"), &[]).await?.get(0);
    let all_end = async {
        loop {
            let open: Vec<String> =
                db.query_one(include_str!("open_transactions.sql"), &[]).await?.get(0);
            if !older.iter().any(|transaction| open.contains(transaction)) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ended = shutdown.run_until_cancelled(tokio::time::timeout(PATIENCE, all_end)).await;
    match ended {
        Some(Ok(result)) => result.map(|()| true),
        Some(Err(_)) | None => Ok(false),
    }
}
