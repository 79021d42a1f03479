//! `GET /dashboard/…`: the web pages. They are one application, which asks the other functions for
//! its data.

mod assets;

use std::{net::IpAddr, path::PathBuf, process::ExitCode};

use hyper::header;
use serde::{Deserialize, Serialize};
use shared::{
    config,
    http::{self, Routes},
    metrics::Metrics,
    service::{self, Shutdown},
};

use crate::assets::Assets;

const NAME: &str = env!("CARGO_PKG_NAME");
/// Each is the same document, which shows what its address says: as `pageAt` in web/src/app.tsx.
const PAGES: [&str; 7] = [
    "/dashboard",
    "/dashboard/nodes/{peer_id}",
    "/dashboard/profiling",
    "/dashboard/reputation",
    "/dashboard/benchmarks",
    "/dashboard/benchmarks/{id}",
    "/dashboard/database",
];
/// Nothing runs, loads or connects but what comes from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; font-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The settings of the dashboard.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Config {
    /// A folder whose files are served instead of those that are built in.
    assets_path: Option<PathBuf>,
    /// The address to listen on.
    #[serde(default = "http::default_bind")]
    bind: IpAddr,
    /// The port to listen on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    port: u16,
}

fn routes(assets: Assets) -> Routes {
    let mut routes = Routes::new(NAME, &Metrics::default())
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer");
    for path in PAGES {
        routes = routes.file(path, assets.page.clone());
    }
    for (name, file) in assets.others {
        routes = routes.file(&format!("/dashboard/{name}"), file);
    }
    routes
}

async fn dashboard(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let assets = match &config.assets_path {
        Some(folder) => Assets::of_folder(folder)?,
        None => Assets::built_in()?,
    };
    let listener = http::bind(config.bind, config.port, None)?;
    http::serve(listener, routes(assets), shutdown).await
}

fn main() -> ExitCode {
    service::run(NAME, dashboard)
}
