//! `GET /reputation`: what each node last said of all peers that it knows.

use std::process::ExitCode;

use shared::{
    query::{self, Plans, reports::Reports},
    service,
};

fn main() -> ExitCode {
    service::run(env!("CARGO_PKG_NAME"), |config, shutdown| {
        query::serve(env!("CARGO_PKG_NAME"), config, Plans::Custom, shutdown, |routes, query| {
            let reports = Reports::of_all(query);
            routes.list("/reputation", move |params| reports.clone().answer(params))
        })
    })
}
