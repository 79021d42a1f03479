//! `GET /nodes`: the latest connection of each node.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    db::Row,
    http::{self, Cursor, Number, Page, Time},
    query::{self, Plans, Query},
    service,
};

/// The latest connection of each node, newest first.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Only nodes of this chain.
    chain: Option<String>,
    /// Only nodes of this name.
    name: Option<String>,
    /// How many at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// One node.
#[derive(JsonSchema, Serialize)]
struct Node {
    id: i64,
    ip_addr: String,
    peer_id: String,
    created_at: Time,
    audit: bool,
    name: Option<String>,
    chain: Option<String>,
    version: Option<String>,
    authority: Option<bool>,
    startup_time: Option<i64>,
    implementation: Option<String>,
    last_seen: Time,
}

impl From<&Row> for Node {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            ip_addr: row.get("ip_addr"),
            peer_id: row.get("peer_id"),
            created_at: Time(row.get("created_at")),
            audit: row.get("audit"),
            name: row.get("name"),
            chain: row.get("chain"),
            version: row.get("version"),
            authority: row.get("authority"),
            startup_time: row.get("startup_time"),
            implementation: row.get("implementation"),
            last_seen: Time(row.get("last_seen")),
        }
    }
}

fn nodes(query: Query, params: Params) -> Page<Node, Cursor> {
    let key = |node: &Node| Cursor { time: node.created_at.0, id: node.id };
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.clone(), after, rows)
    })
}

async fn page(
    query: Query,
    params: Params,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Node>> {
    let (time, id) = after.map(|after| (after.time, after.id)).unzip();
    let sql = include_str!("nodes.sql");
    let rows = query.rows(sql, &[&params.chain, &params.name, &time, &id, &rows]).await?;
    Ok(rows.iter().map(Node::from).collect())
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            routes.list("/nodes", move |params| nodes(query.clone(), params))
        })
    })
}
