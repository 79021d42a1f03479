//! `GET /reputation/{peer_id}`: what others last said of one peer.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    db::Row,
    http::{self, Cursor, Number, Page, Time},
    query::{self, Plans, Query},
    row::node_id,
    service,
};

/// What others last said of one peer, the newest report first.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The peer that is reported on.
    peer_id: String,
    /// Only reports of so many seconds back.
    #[serde(default)]
    max_age_s: Number<60, 1_000_000_000>,
    /// How many at the most.
    #[serde(default)]
    limit: Number<100, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// What one node says of the peer.
#[derive(JsonSchema, Serialize)]
struct Reputation {
    #[serde(skip)]
    id: i64,
    reporting_peer: String,
    #[serde(rename = "reputation")]
    value: i64,
    connected: bool,
    ts: Time,
}

impl From<&Row> for Reputation {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            reporting_peer: row.get("reporting_peer"),
            value: row.get("reputation"),
            connected: row.get("connected"),
            ts: Time(row.get("ts")),
        }
    }
}

fn reputation(query: Query, params: Params) -> Page<Reputation, Cursor> {
    let key = |reputation: &Reputation| Cursor { time: reputation.ts.0, id: reputation.id };
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.clone(), after, rows)
    })
}

async fn page(
    query: Query,
    params: Params,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Reputation>> {
    let (time, id) = after.map(|after| (after.time, after.id)).unzip();
    let (peer, max_age_s) = (node_id(&params.peer_id), f64::from(params.max_age_s.get()));
    let sql = include_str!("reputation.sql");
    let rows = query.rows(sql, &[&peer, &max_age_s, &time, &id, &rows]).await?;
    Ok(rows.iter().map(Reputation::from).collect())
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            routes.list("/reputation/{peer_id}", move |params| reputation(query.clone(), params))
        })
    })
}
