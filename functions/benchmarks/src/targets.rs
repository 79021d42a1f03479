//! The targets of the tracing messages within a benchmark's time.

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
    /// Its first 256 characters.
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
    let rows = query.rows(include_str!("targets.sql"), &[&benchmark.0, &after, &rows]).await?;
    if rows.is_empty() {
        crate::must_exist(&query, benchmark).await?;
    }
    Ok(rows.iter().map(|row| Target { target: row.get("target") }).collect())
}
