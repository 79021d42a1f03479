//! The targets of the tracing messages within a benchmark's time.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    http::{self, Id, Number, Page},
    query::Query,
};

/// The targets of the tracing messages within a benchmark's time, in their order.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The benchmark.
    id: Id,
    /// How many at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// A target.
#[derive(JsonSchema, Serialize)]
pub struct Target {
    /// Its first 256 characters; a target that is no string is none.
    target: String,
}

/// The targets that are asked for.
pub fn list(query: Query, params: List) -> Page<Target, String> {
    let key = |target: &Target| target.target.clone();
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), params.id, after, rows)
    })
}

async fn page(
    query: Query,
    benchmark: Id,
    after: Option<String>,
    rows: i64,
) -> http::Result<Vec<Target>> {
    let span = query.rows(include_str!("span.sql"), &[&benchmark.0]).await?;
    let span = span.first().ok_or(http::Error::NotFound("benchmark"))?;
    let [first, last] = ["first", "last"].map(|name| span.get::<_, DateTime<Utc>>(name));
    // Apart from the one before, so that partitions of another time are not looked at.
    let rows = query.rows(include_str!("targets.sql"), &[&first, &last, &after, &rows]).await?;
    Ok(rows.iter().map(|row| Target { target: row.get("target") }).collect())
}
