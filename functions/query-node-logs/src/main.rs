//! `GET /nodes/logs`: what one node sent, newest first.

mod places;
mod spans;

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    process::ExitCode,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::{Row, ToSql},
    http::{self, Cursor, Number, Page, Time},
    query::{self, Plans, Query},
    row::node_id,
    service,
};
use tokio::sync::OnceCell;

use crate::{places::Places, spans::pieces};

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

/// Looks where messages are until it has `rows` of them.
async fn page(
    query: Query,
    params: Params,
    places: Arc<OnceCell<Places>>,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Entry>> {
    let places = places.get_or_try_init(|| Places::find(&query, &params)).await?;
    let Params { peer_id, target, start_time, end_time, .. } = params;
    let node = node_id(&peer_id);
    let since = start_time.map_or(DateTime::<Utc>::MIN_UTC, |time| time.0);
    let end = end_time.map_or_else(Utc::now, |time| time.0);
    let until = after.map_or(end, |after| after.time.min(end)) + TimeDelta::microseconds(1);
    let (time, id) = after.map(|after| (after.time, after.id)).unzip();

    let mut found = Vec::new();
    let wanted = usize::try_from(rows).unwrap_or(usize::MAX);
    for piece in pieces(places.spans.clone(), since, until, rows) {
        let [from, to] = [piece.since, piece.until].map(|time| Some(time).filter(is_storable));
        let missing = i64::try_from(wanted - found.len()).unwrap_or(rows);
        let mut more = Vec::new();
        for msg in &places.types {
            let sql = sql(msg.is_some(), target.is_some(), after.is_some());
            let parameters: [&(dyn ToSql + Sync); 8] =
                [&node, msg, &target, &from, &to, &time, &id, &missing];
            more.extend(query.rows(&sql, &parameters).await?);
        }
        if places.types.len() > 1 {
            more.sort_by_key(|row| Reverse(place(row)));
        }
        found.extend(more);
        found.truncate(wanted);
        if found.len() == wanted {
            break;
        }
    }
    // A node has few connections on a page: to join them to each row takes longer.
    let connections: HashSet<i64> = found.iter().map(|row| row.get("peer_connection_id")).collect();
    let connections = Vec::from_iter(connections);
    let addresses = query.rows(include_str!("addresses.sql"), &[&connections]).await?;
    let addresses = addresses.iter().map(|row| (row.get("id"), row.get("ip_addr"))).collect();
    let entries = found.iter().map(|row| Entry::read(row, &peer_id, &addresses));
    Ok(entries.collect::<anyhow::Result<_>>()?)
}

/// `logs.sql` with the filters that are given.
fn sql(msg: bool, target: bool, after: bool) -> String {
    // The beginning of msg is in the index, where other types are passed over without a look at
    // their rows.
    let msg = if msg { "left(msg, 64) = left($2, 64) AND msg = $2" } else { "$2::text IS NULL" };
    let target = if target { "logs ->> 'target' = $3" } else { "$3::text IS NULL" };
    let after = if after {
        "(created_at, id) < ($6, $7)"
    } else {
        "$6::timestamptz IS NULL AND $7::bigint IS NULL"
    };
    include_str!("logs.sql")
        .replace("{msg}", msg)
        .replace("{target}", target)
        .replace("{after}", after)
}

/// Where a row stands among the others.
fn place(row: &Row) -> (DateTime<Utc>, i64) {
    (row.get("created_at"), row.get("id"))
}

/// Whether PostgreSQL has such a time.
fn is_storable(time: &DateTime<Utc>) -> bool {
    *time > DateTime::<Utc>::MIN_UTC && *time < DateTime::<Utc>::MAX_UTC
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Generic, shutdown, |routes, query| {
            routes.list("/nodes/logs", move |params| logs(query.clone(), params))
        })
    })
}
