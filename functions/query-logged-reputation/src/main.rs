//! `GET /reputation/logged`: what each node last said of nodes that send telemetry, too.

use std::process::ExitCode;

use shared::{
    query::{self, Plans, reports::Reports},
    service,
};

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            let reports = Reports::of_senders(query);
            routes.list("/reputation/logged", move |params| reports.clone().answer(params))
        })
    })
}
