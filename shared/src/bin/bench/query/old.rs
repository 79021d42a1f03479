//! The same questions asked in 0.1.4's way: plain joins and scans over two tables of its shape, without HTTP.

use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::{DateTime, Utc};
use shared::{
    db::{Client, SqlState},
    testing::Database,
};
use tokio_postgres::SimpleQueryMessage;

use super::{history::History, question::Question};
use crate::{figure::percentile, patience::patiently};

/// What a network state says of peers, in its tables.
pub(crate) const NODES: &str = "logs #> '{state,peerset,nodes}'";
/// It is asked again and again for so long.
const ENOUGH: Duration = Duration::from_secs(1);
/// A statement is given up after this time, which then counts.
const LONGEST: Duration = Duration::from_secs(10);

/// A question as SQL, with places for [`History::about`].
pub(crate) struct Old {
    sql: String,
    /// Where the answer is not the same as ours.
    rows: Option<u64>,
}

fn filled(sql: &str, places: &[(&str, &str)]) -> Old {
    let sql = places.iter().fold(sql.to_owned(), |sql, (place, value)| sql.replace(place, value));
    Old { sql, rows: None }
}

pub(crate) fn nodes(filters: &str, limit: u64) -> Old {
    let places = [("{filters}", filters), ("{limit}", &limit.to_string())];
    filled(include_str!("old_nodes.sql"), &places)
}

pub(crate) fn logs(filters: &str, limit: u64) -> Old {
    let places = [("{filters}", filters), ("{limit}", &limit.to_string())];
    filled(include_str!("old_logs.sql"), &places)
}

pub(crate) fn log_stats() -> Old {
    filled(include_str!("old_log_stats.sql"), &[])
}

pub(crate) fn reputation(filters: &str, entries: &str, limit: u64) -> Old {
    let places = [("{filters}", filters), ("{entries}", entries), ("{limit}", &limit.to_string())];
    filled(include_str!("old_reputation.sql"), &places)
}

pub(crate) fn targets(filters: &str) -> Old {
    filled(include_str!("old_targets.sql"), &[("{filters}", filters)])
}

pub(crate) fn sizes() -> Old {
    // Two tables, their primary keys, and four indexes.
    Old { rows: Some(8), ..filled(include_str!("old_sizes.sql"), &[]) }
}

/// 0.1.4's tables.
pub(crate) struct OldTables(Client);

impl OldTables {
    /// Fills them with all that is in the tables beside them.
    pub(crate) async fn make(database: &Database, history: &History) -> Result<Self> {
        let client = database.owner().await;
        client.batch_execute(include_str!("old_tables.sql")).await?;
        client.execute(include_str!("old_connections.sql"), &[]).await?;
        let tables = Self(client);
        let copied = tables.copy(DateTime::UNIX_EPOCH).await?;
        anyhow::ensure!(copied == history.messages(), "{copied} messages were copied");
        let indexes = tables.0.batch_execute(include_str!("old_indexes.sql"));
        patiently("indexes are made", async { Ok(indexes.await?) }).await?;
        let timeout = LONGEST.as_millis();
        let settings =
            format!("SET search_path = v0_1_4, public; SET statement_timeout = {timeout}");
        tables.0.batch_execute(&settings).await?;
        Ok(tables)
    }

    /// Copies the messages since then: how many.
    pub(crate) async fn copy(&self, since: DateTime<Utc>) -> Result<u64> {
        patiently("messages are copied", async {
            Ok(self.0.execute(include_str!("old_messages.sql"), &[&since]).await?)
        })
        .await
    }

    /// The median of the milliseconds that the answer takes; none if the question is a new one.
    pub(crate) async fn measure(
        &self,
        question: &Question,
        history: &History,
        first: u64,
    ) -> Result<Option<f64>> {
        let Some(old) = &question.old else {
            return Ok(None);
        };
        let expected = old.rows.unwrap_or_else(|| question.rows(history));
        let mut milliseconds = Vec::new();
        let start = Instant::now();
        for node in first.. {
            let sql = history.about(&old.sql, node)?;
            let begin = Instant::now();
            let rows = match self.0.simple_query(&sql).await {
                Ok(messages) => {
                    let rows = messages.iter().filter(|message| is_row(message));
                    Some(u64::try_from(rows.count())?)
                }
                Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => None,
                Err(error) => return Err(error.into()),
            };
            milliseconds.push(begin.elapsed().as_secs_f64() * 1e3);
            let right = rows.is_none_or(|rows| rows == expected);
            anyhow::ensure!(right, "{rows:?} rows, not {expected}: {sql}");
            if start.elapsed() > ENOUGH {
                break;
            }
        }
        Ok(Some(percentile(milliseconds, 0.5)))
    }
}

fn is_row(message: &SimpleQueryMessage) -> bool {
    matches!(message, SimpleQueryMessage::Row(_))
}
