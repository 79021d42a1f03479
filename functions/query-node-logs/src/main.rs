//! `GET /nodes/logs`: what one node sent, newest first.

mod places;
mod search;
mod spans;

use std::{
    collections::{HashMap, HashSet},
    process::ExitCode,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::Row,
    http::{self, Cursor, Number, Page, Time},
    query::{self, Plans, Query},
    row::node_id,
    service,
};
use tokio::sync::OnceCell;

use crate::{places::Places, search::Search};

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

impl Entry {
    fn read(row: &Row, peer_id: &str, addresses: &HashMap<i64, String>) -> anyhow::Result<Self> {
        let ip_addr = addresses.get(&row.get("peer_connection_id"));
        Ok(Self {
            id: row.get("id"),
            ip_addr: ip_addr.cloned().unwrap_or_default(),
            peer_id: peer_id.to_owned(),
            msg: row.get("msg"),
            created_at: Time(row.get("created_at")),
            logs: RawValue::from_string(row.get("logs"))?,
        })
    }
}

fn logs(query: Query, params: Params) -> Page<Entry, Cursor> {
    let key = |entry: &Entry| Cursor { time: entry.created_at.0, id: entry.id };
    let places = Arc::new(OnceCell::new());
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.clone(), Arc::clone(&places), after, rows)
    })
}

/// The newest `rows` messages that come `after` a place.
async fn page(
    query: Query,
    params: Params,
    places: Arc<OnceCell<Places>>,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Entry>> {
    let places = places.get_or_try_init(|| Places::find(&query, &params)).await?;
    let Params { peer_id, target, start_time, end_time, .. } = params;
    let search = Search { query: &query, node: node_id(&peer_id), places, target, after };
    let since = start_time.map_or(DateTime::<Utc>::MIN_UTC, |time| time.0);
    let end = end_time.map_or_else(Utc::now, |time| time.0);
    let until = after.map_or(end, |after| after.time.min(end)) + TimeDelta::microseconds(1);
    let found = search.newest(since, until, rows).await?;

    // A node has few connections on a page: to join them to each row takes longer.
    let connections: HashSet<i64> = found.iter().map(|row| row.get("peer_connection_id")).collect();
    let connections = Vec::from_iter(connections);
    let addresses = query.rows(include_str!("addresses.sql"), &[&connections]).await?;
    let addresses = addresses.iter().map(|row| (row.get("id"), row.get("ip_addr"))).collect();
    let entries = found.iter().map(|row| Entry::read(row, &peer_id, &addresses));
    Ok(entries.collect::<anyhow::Result<_>>()?)
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Generic, shutdown, |routes, query| {
            routes.list("/nodes/logs", move |params| logs(query.clone(), params))
        })
    })
}
