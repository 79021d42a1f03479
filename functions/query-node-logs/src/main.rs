//! `GET /nodes/logs`: what one node sent, newest first.

use std::process::ExitCode;

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

async fn page(
    query: Query,
    params: Params,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Entry>> {
    let Params { peer_id, msg, target, start_time, end_time, .. } = params;
    let (start, end) = (start_time.map(|time| time.0), end_time.map(|time| time.0));
    let (time, id) = after.map(|after| (after.time, after.id)).unzip();
    let sql = include_str!("logs.sql");
    let node = node_id(&peer_id);
    let rows =
        query.rows(sql, &[&node, &peer_id, &msg, &target, &start, &end, &time, &id, &rows]).await?;
    Ok(rows.iter().map(Entry::try_from).collect::<Result<_, _>>()?)
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, shutdown, |routes, query| {
            routes.list("/nodes/logs", move |params| logs(query.clone(), params))
        })
    })
}
