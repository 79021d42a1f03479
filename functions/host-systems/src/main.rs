//! `GET, POST /host_systems`: the machines that benchmarks run on.

use std::process::ExitCode;

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::{
    db::Row,
    http::{self, Id, Natural, Number, Page},
    query::{self, Plans, Query},
    service,
};

/// The machines that benchmarks run on, in the order of their numbers.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// How many at the most.
    #[serde(default)]
    limit: Number<1000, 10_000>,
    /// Where the page before ended.
    cursor: Option<Id>,
}

/// Adds a machine that benchmarks run on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewHostSystem {
    /// What people call it.
    description: String,
    os: String,
    /// Processors.
    cpu_qty: Natural,
    /// Their clock rate in MHz.
    cpu_clock: Natural,
    /// Memory in MB.
    ram_mb: Natural,
    /// Kind of storage.
    disk_info: String,
}

/// A machine.
#[derive(JsonSchema, Serialize)]
struct HostSystem {
    id: i32,
    description: String,
    os: String,
    cpu_qty: i32,
    cpu_clock: i32,
    ram_mb: i32,
    disk_info: String,
}

impl From<&Row> for HostSystem {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            description: row.get("description"),
            os: row.get("os"),
            cpu_qty: row.get("cpu_qty"),
            cpu_clock: row.get("cpu_clock"),
            ram_mb: row.get("ram_mb"),
            disk_info: row.get("disk_info"),
        }
    }
}

fn list(query: Query, params: List) -> Page<HostSystem, Id> {
    let key = |host: &HostSystem| Id(host.id);
    Page::new(params.limit.get(), params.cursor, key, move |after, rows| {
        page(query.clone(), after, rows)
    })
}

async fn page(query: Query, after: Option<Id>, rows: i64) -> http::Result<Vec<HostSystem>> {
    let after = after.map(|after| after.0);
    let rows = query.rows(include_str!("list.sql"), &[&after, &rows]).await?;
    Ok(rows.iter().map(HostSystem::from).collect())
}

async fn add(query: Query, host: NewHostSystem) -> http::Result<HostSystem> {
    let NewHostSystem { description, os, cpu_qty, cpu_clock, ram_mb, disk_info } = host;
    let sql = include_str!("add.sql");
    let rows = query
        .write(sql, &[&description, &os, &cpu_qty.0, &cpu_clock.0, &ram_mb.0, &disk_info])
        .await?;
    let row = rows.first().context("INSERT … RETURNING has no row")?;
    Ok(row.into())
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            let reading = query.clone();
            routes
                .list("/host_systems", move |params| list(reading.clone(), params))
                .post("/host_systems", move |host| add(query.clone(), host))
        })
    })
}
