//! Reports of what nodes think of their peers: what the functions of `/reputation` have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Query;
use crate::{
    db::Row,
    http::{self, Cursor, Number, Page, Time},
};

/// What each node last said of the peers that it knows, the newest report first.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Only reports of so many seconds back.
    #[serde(default)]
    max_age_s: Number<60, 1_000_000_000>,
    /// How many at the most.
    #[serde(default)]
    limit: Number<100, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// What one node says: `remote_peer`, `reputation` and `connected` side by side.
#[derive(JsonSchema, Serialize)]
pub struct Report {
    #[serde(skip)]
    id: i64,
    reporting_peer: String,
    remote_peer: Vec<String>,
    reputation: Vec<i64>,
    connected: Vec<bool>,
    ts: Time,
}

/// An entry that lacks something, as none of ours does, is left out.
impl From<&Row> for Report {
    fn from(row: &Row) -> Self {
        let peers: Vec<Option<String>> = row.get("remote_peer");
        let reputations: Vec<Option<i64>> = row.get("reputation");
        let connected: Vec<Option<bool>> = row.get("connected");
        let entries = peers.into_iter().zip(reputations).zip(connected);
        let ((remote_peer, reputation), connected) = entries
            .filter_map(|((peer, reputation), connected)| Some(((peer?, reputation?), connected?)))
            .unzip();
        Self {
            id: row.get("id"),
            reporting_peer: row.get("reporting_peer"),
            remote_peer,
            reputation,
            connected,
            ts: Time(row.get("ts")),
        }
    }
}

/// A way to find reports.
#[derive(Clone)]
pub struct Reports {
    query: Query,
    sql: &'static str,
}

impl Reports {
    /// Through `sql`, which yields the columns of a [`Report`] and takes the greatest age in
    /// seconds, time and `id` of the row before, and the number of rows.
    #[must_use]
    pub fn new(query: Query, sql: &'static str) -> Self {
        Self { query, sql }
    }

    /// Those that are asked for.
    #[must_use]
    pub fn answer(self, params: Params) -> Page<Report, Cursor> {
        let key = |report: &Report| Cursor { time: report.ts.0, id: report.id };
        let max_age_s = f64::from(params.max_age_s.get());
        Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
            self.clone().page(max_age_s, after, rows)
        })
    }

    async fn page(
        self,
        max_age_s: f64,
        after: Option<Cursor>,
        rows: i64,
    ) -> http::Result<Vec<Report>> {
        let (time, id) = after.map(|after| (after.time, after.id)).unzip();
        let rows = self.query.rows(self.sql, &[&max_age_s, &time, &id, &rows]).await?;
        Ok(rows.iter().map(Report::from).collect())
    }
}
