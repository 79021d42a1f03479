//! `GET /nodes/logs`: what one node sent, newest first.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::Row,
    http::{self, Answer, Cursor, Limit, Time},
    query::{self, Query},
    row::node_id,
    service,
};

/// The query's parameters.
#[derive(Deserialize)]
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
    limit: Limit<100, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// One message.
#[derive(Serialize)]
struct Entry {
    #[serde(skip)]
    id: i64,
    ip_addr: String,
    peer_id: String,
    msg: Option<String>,
    created_at: Time,
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

async fn logs(query: Query, params: Params) -> http::Result<Answer> {
    let Params { peer_id, msg, target, start_time, end_time, limit, cursor } = params;
    let (start, end) = (start_time.map(|time| time.0), end_time.map(|time| time.0));
    let (time, id) = cursor.map(|cursor| (cursor.time, cursor.id)).unzip();
    let sql = include_str!("logs.sql");
    let node = node_id(&peer_id);
    let rows = query
        .rows(sql, &[&node, &peer_id, &msg, &target, &start, &end, &time, &id, &limit.rows()])
        .await?;
    let entries = rows.iter().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
    query.page(&entries, limit, |last| Cursor { time: last.created_at.0, id: last.id })
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, shutdown, |routes, query| {
            routes.get("/nodes/logs", move |params| logs(query.clone(), params))
        })
    })
}
