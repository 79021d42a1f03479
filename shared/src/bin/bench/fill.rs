//! Rows of earlier, made inside the database.

use anyhow::Result;
use chrono::{DateTime, Utc};
use shared::db::{Client, ToSql};

use crate::patience::patiently;

/// Adds `rows`, their times spread evenly over `from` to `to`.
pub(crate) async fn fill(
    owner: &Client,
    rows: u64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<()> {
    let count = i64::try_from(rows)?;
    make(owner, include_str!("fill.sql"), &[&count, &from, &to], rows).await
}

/// Counts them as batch-flush would have.
pub(crate) async fn count_filled(owner: &Client) -> Result<()> {
    let counted = owner.execute(include_str!("count_filled.sql"), &[]);
    patiently("rows are counted", async { Ok(counted.await.map(drop)?) }).await
}

/// Runs a statement that makes so many rows.
pub(crate) async fn make(
    owner: &Client,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    rows: u64,
) -> Result<()> {
    patiently("rows are made", async {
        let made = owner.execute(sql, parameters).await?;
        anyhow::ensure!(made == rows, "{made} rows were made, not {rows}: {sql}");
        Ok(())
    })
    .await
}
