//! `GET /stats/db`, `GET /stats/version`, `GET /stats/openapi.json`: sizes of tables and indexes,
//! what runs, and what all functions answer.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{
    db::Row,
    http::{self, Time},
    query::{self, Plans, Query},
    service,
};
use tokio::sync::Mutex;

/// PostgreSQL looks at each file of the database for an answer, so one is given for so long.
const LASTS: Duration = Duration::from_secs(1);

/// The size of each table and each index, the largest first.
/// All is as it was a second ago at most.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Relations {}

/// A table or an index, all its partitions included.
#[derive(Clone, JsonSchema, Serialize)]
struct Relation {
    #[serde(rename = "relation")]
    name: String,
    /// For people, such as `8192 bytes` or `12 GB`.
    size: String,
    /// The same, as a number.
    bytes: i64,
    kind: String,
    /// About how many rows a table has, as last counted by PostgreSQL; null for an index. So it is
    /// with all that follows.
    rows: Option<i64>,
    /// Bytes of all its indexes, which are no part of its own.
    index_bytes: Option<i64>,
    /// How many of its bytes are of packed rows.
    compressed_bytes: Option<i64>,
    /// The oldest `created_at`, as last sampled by PostgreSQL; null for a table without one, or one
    /// that was too small to be sampled. So it is with all that follows.
    oldest: Option<Time>,
    /// The newest `created_at`.
    newest: Option<Time>,
    /// By how many bytes, indexes included, it grew in a day, judged by its newest rows.
    growth_per_day: Option<i64>,
}

impl From<&Row> for Relation {
    fn from(row: &Row) -> Self {
        Self {
            name: row.get("relation"),
            size: row.get("size"),
            bytes: row.get("bytes"),
            kind: row.get("kind"),
            rows: row.get("rows"),
            index_bytes: row.get("index_bytes"),
            compressed_bytes: row.get("compressed_bytes"),
            oldest: row.get::<_, Option<_>>("oldest").map(Time),
            newest: row.get::<_, Option<_>>("newest").map(Time),
            growth_per_day: row.get("growth_per_day"),
        }
    }
}

/// The latest answer, for which PostgreSQL is asked once, however many wait for it.
#[derive(Default)]
struct Latest(Mutex<Option<(Instant, Vec<Relation>)>>);

impl Latest {
    async fn relations(&self, query: &Query) -> http::Result<Vec<Relation>> {
        let mut latest = self.0.lock().await;
        if let Some((at, relations)) = &*latest
            && at.elapsed() < LASTS
        {
            return Ok(relations.clone());
        }
        let asked = Instant::now();
        let rows = query.rows(include_str!("relations.sql"), &[]).await?;
        let relations: Vec<Relation> = rows.iter().map(Relation::from).collect();
        *latest = Some((asked, relations.clone()));
        Ok(relations)
    }
}

/// The name and the version of this program.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Versions {}

/// What runs.
#[derive(JsonSchema, Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

const VERSION: Version = Version { name: "tetcore-analytics", version: env!("CARGO_PKG_VERSION") };

/// The routes of all functions (OpenAPI).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Description {}

fn description() -> http::Result<Box<RawValue>> {
    let document = include_str!("../../openapi.json").to_owned();
    Ok(RawValue::from_string(document).context("functions/openapi.json")?)
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        let latest = Arc::new(Latest::default());
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            routes
                .get("/stats/db", move |Relations {}| {
                    let (latest, query) = (Arc::clone(&latest), query.clone());
                    async move { latest.relations(&query).await }
                })
                .get("/stats/version", |Versions {}| async { Ok(VERSION) })
                .get("/stats/openapi.json", |Description {}| async { description() })
        })
    })
}
