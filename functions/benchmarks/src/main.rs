//! `/benchmarks`: benchmark runs, their events, and the targets of their tracing messages.

mod events;
mod runs;
mod targets;

use std::process::ExitCode;

use shared::{
    http::{self, Id},
    query::{self, Plans, Query},
    service,
};

/// Refuses a benchmark that is not there.
async fn must_exist(query: &Query, benchmark: Id) -> http::Result<()> {
    match query.rows(include_str!("exists.sql"), &[&benchmark.0]).await?.first() {
        Some(_) => Ok(()),
        None => Err(http::Error::NotFound("benchmark")),
    }
}

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Generic, shutdown, |routes, query| {
            let [runs, new_run, events, new_event, targets] =
                std::array::from_fn(|_| query.clone());
            routes
                .list("/benchmarks", move |params| runs::list(runs.clone(), params))
                .post("/benchmarks", move |run| runs::add(new_run.clone(), run))
                .list("/benchmarks/{id}/events", move |params| events::list(events.clone(), params))
                .post("/benchmarks/events", move |event| events::add(new_event.clone(), event))
                .list("/benchmarks/{id}/targets", move |params| {
                    targets::list(targets.clone(), params)
                })
        })
    })
}
