//! `GET /nodes/log_stats`: how many messages of each type one node has sent.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    db::Row,
    http::{self, Number, Page},
    query::{self, Plans, Query},
    row::node_id,
    service,
};

/// How many messages of each type one node has sent, in the order of the types.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The node.
    peer_id: String,
    /// How many types at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// The messages of one type.
#[derive(JsonSchema, Serialize)]
struct Count {
    /// How many there are.
    qty: i64,
    /// Their `msg`, or its first 256 characters; null for those without one.
    log_type: Option<String>,
    #[serde(skip)]
    place: String,
}

impl From<&Row> for Count {
    fn from(row: &Row) -> Self {
        Self { qty: row.get("qty"), log_type: row.get("log_type"), place: row.get("place") }
    }
}

fn log_stats(query: Query, params: Params) -> Page<Count, String> {
    let key = |count: &Count| count.place.clone();
    let node = node_id(&params.peer_id);
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), node, after, rows)
    })
}

async fn page(
    query: Query,
    node: i64,
    after: Option<String>,
    rows: i64,
) -> http::Result<Vec<Count>> {
    let rows = query.rows(include_str!("log_stats.sql"), &[&node, &after, &rows]).await?;
    Ok(rows.iter().map(Count::from).collect())
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            routes.list("/nodes/log_stats", move |params| log_stats(query.clone(), params))
        })
    })
}
