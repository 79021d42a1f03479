//! Rows of earlier, made inside the database.

use anyhow::Result;
use chrono::{DateTime, Utc};
use shared::db::Client;

use crate::patience::patiently;

/// Adds `rows`, their times spread evenly over `from` to `to`.
pub(crate) async fn fill(
    owner: &Client,
    rows: u64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<()> {
    let count = i64::try_from(rows)?;
    patiently("rows are made", async {
        let made = owner.execute(include_str!("fill.sql"), &[&count, &from, &to]).await?;
        anyhow::ensure!(made == rows, "{made} rows were made, not {rows}");
        Ok(())
    })
    .await
}
