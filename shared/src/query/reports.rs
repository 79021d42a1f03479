//! Reports of what nodes think of their peers: what the functions of `/reputation` have in common.

use std::collections::HashSet;

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

impl Report {
    /// The report in a row of `reports.sql`, with what it says of peers whose ids `is_wanted`. An
    /// entry that lacks something, as none of ours does, is left out.
    fn read(row: &Row, is_wanted: impl Fn(i64) -> bool) -> Self {
        let ids: Vec<Option<i64>> = row.get("remote_ids");
        let peers: Vec<Option<String>> = row.get("remote_peers");
        let reputations: Vec<Option<i64>> = row.get("reputations");
        let connected: Vec<Option<bool>> = row.get("connected");
        let entries = ids.into_iter().zip(peers).zip(reputations.into_iter().zip(connected));
        let ((remote_peer, reputation), connected) = entries
            .filter(|((id, _), _)| id.is_some_and(&is_wanted))
            .filter_map(|((_, peer), (reputation, connected))| {
                Some(((peer?, reputation?), connected?))
            })
            .unzip();
        Self {
            id: row.get("node_id"),
            reporting_peer: row.get("reporting_peer"),
            remote_peer,
            reputation,
            connected,
            ts: Time(row.get("reported_at")),
        }
    }
}

/// A way to find reports.
#[derive(Clone)]
pub struct Reports {
    query: Query,
    of_senders: bool,
}

impl Reports {
    /// What they say of all peers.
    #[must_use]
    pub fn of_all(query: Query) -> Self {
        Self { query, of_senders: false }
    }

    /// What they say of peers that send telemetry, too.
    #[must_use]
    pub fn of_senders(query: Query) -> Self {
        Self { query, of_senders: true }
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
        let sql = include_str!("reports.sql");
        let rows = self.query.rows(sql, &[&max_age_s, &time, &id, &rows]).await?;
        if !self.of_senders {
            return Ok(rows.iter().map(|row| Report::read(row, |_| true)).collect());
        }
        // Found here rather than by a join, which took ten times as long as the rest.
        let ids: HashSet<i64> = rows
            .iter()
            .flat_map(|row| row.get::<_, Vec<Option<i64>>>("remote_ids"))
            .flatten()
            .collect();
        let ids = Vec::from_iter(ids);
        let senders = self.query.rows(include_str!("senders.sql"), &[&ids]).await?;
        let senders: HashSet<i64> = senders.iter().map(|row| row.get("id")).collect();
        Ok(rows.iter().map(|row| Report::read(row, |id| senders.contains(&id))).collect())
    }
}
