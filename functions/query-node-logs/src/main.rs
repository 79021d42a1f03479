//! `GET /nodes/logs`: what one node sent, newest first.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::Row,
    http::{self, Cursor, Number, Page, Time},
    query::{self, Query},
    row::node_id,
    service,
};

/// Where few messages are of the `target` that is asked for, each look goes so many times further.
const CANDIDATES_GROW: i64 = 8;

/// What one node sent, newest first.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The node.
    peer_id: String,
    /// Only messages of this type.
    msg: Option<String>,
    /// Only messages with this `target`.
    target: Option<String>,
    /// From this moment on.
    start_time: Option<Time>,
    /// Up to this moment, or now.
    end_time: Option<Time>,
    /// How many at the most.
    #[serde(default)]
    limit: Number<100, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// One message.
#[derive(JsonSchema, Serialize)]
struct Entry {
    #[serde(skip)]
    id: i64,
    ip_addr: String,
    peer_id: String,
    msg: Option<String>,
    created_at: Time,
    /// As it was sent.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    logs: Box<RawValue>,
}

impl TryFrom<&Row> for Entry {
    type Error = anyhow::Error;

    fn try_from(row: &Row) -> anyhow::Result<Self> {
        Ok(Self {
            id: row.get("id"),
            ip_addr: row.get("ip_addr"),
            peer_id: row.get("peer_id"),
            msg: row.get("msg"),
            created_at: Time(row.get("created_at")),
            logs: RawValue::from_string(row.get("logs"))?,
        })
    }
}

fn logs(query: Query, params: Params) -> Page<Entry, Cursor> {
    let key = |entry: &Entry| Cursor { time: entry.created_at.0, id: entry.id };
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.clone(), after, rows)
    })
}

/// Looks at few partitions first, and at more of them while rows are wanting.
async fn page(
    query: Query,
    params: Params,
    mut after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Entry>> {
    let Params { peer_id, msg, target, start_time, end_time, .. } = params;
    let node = node_id(&peer_id);
    let start = start_time.map(|time| time.0);
    let end = end_time.map_or_else(Utc::now, |time| time.0);
    let mut entries = Vec::new();
    // Of how many messages these rows may be the ones that are asked for.
    let mut candidates = rows;
    loop {
        let to = after.map_or(end, |after| after.time.min(end));
        let sql = include_str!("since.sql");
        let counted = query.rows(sql, &[&node, &msg, &to, &candidates]).await?;
        let Some(counted) = counted.first() else {
            return Ok(entries);
        };
        let since: Option<DateTime<Utc>> = counted.get("since");
        let from = since.max(start);

        let (time, id) = after.map(|after| (after.time, after.id)).unzip();
        let wanting = rows - i64::try_from(entries.len()).unwrap_or(rows);
        let sql = include_str!("logs.sql");
        let found =
            query.rows(sql, &[&node, &msg, &target, &from, &to, &time, &id, &wanting]).await?;
        for row in &found {
            entries.push(Entry::try_from(row)?);
        }
        let is_all = counted.get("is_all") || from == start;
        match from {
            Some(from) if !is_all && found.len() < usize::try_from(wanting).unwrap_or(0) => {
                after = Some(Cursor { time: from, id: i64::MIN });
                candidates = candidates.saturating_mul(CANDIDATES_GROW);
            }
            _ => return Ok(entries),
        }
    }
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, shutdown, |routes, query| {
            routes.list("/nodes/logs", move |params| logs(query.clone(), params))
        })
    })
}
