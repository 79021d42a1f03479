//! What happened during a benchmark, and when.

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    db::Row,
    http::{self, Cursor, Id, Natural, Number, Page, Time},
    query::Query,
};

/// What happened during a benchmark, in the order of time.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The benchmark.
    id: Id,
    /// How many at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<Cursor>,
}

/// An event.
#[derive(JsonSchema, Serialize)]
pub struct Event {
    id: i32,
    benchmark_id: i32,
    name: String,
    phase: String,
    created_at: Time,
}

impl From<&Row> for Event {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            benchmark_id: row.get("benchmark_id"),
            name: row.get("name"),
            phase: row.get("phase"),
            created_at: Time(row.get("created_at")),
        }
    }
}

/// The events that are asked for.
pub fn list(query: Query, params: List) -> Page<Event, Cursor> {
    let key = |event: &Event| Cursor { time: event.created_at.0, id: event.id.into() };
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.id, after, rows)
    })
}

async fn page(
    query: Query,
    benchmark: Id,
    after: Option<Cursor>,
    rows: i64,
) -> http::Result<Vec<Event>> {
    let (time, id) = after.map(|after| (after.time, after.id)).unzip();
    let sql = include_str!("list_events.sql");
    let rows = query.rows(sql, &[&benchmark.0, &time, &id, &rows]).await?;
    if rows.is_empty() {
        crate::must_exist(&query, benchmark).await?;
    }
    Ok(rows.iter().map(Event::from).collect())
}

/// Adds an event to a benchmark.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    benchmark_id: Natural,
    /// What happened.
    name: String,
    /// Such as `begin` or `end`.
    phase: String,
    /// When; now where nothing is said.
    created_at: Option<Time>,
}

/// Adds an event.
pub async fn add(query: Query, event: NewEvent) -> http::Result<Event> {
    let NewEvent { benchmark_id, name, phase, created_at } = event;
    let at = created_at.map(|time| time.0);
    let rows = query
        .write(include_str!("add_event.sql"), &[&benchmark_id.0, &name, &phase, &at])
        .await
        .map_err(|error| error.or_missing("benchmark_id"))?;
    Ok(rows.first().context("INSERT … RETURNING has no row")?.into())
}
