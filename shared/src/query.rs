//! What every query function has: the same settings, pools of connections, and the routes.

pub mod reports;

use std::{
    net::IpAddr,
    num::{NonZeroU16, NonZeroUsize},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use crate::db::Plans;
use crate::{
    config,
    db::{Pool, QueryError, Row, ToSql, Url},
    http::{self, Guards, Origins, Routes},
    metrics::Metrics,
    service::Shutdown,
    tokens::Tokens,
};

/// A query that takes longer is given up by the server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a query function, a variable each, named like the field in capitals.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where everything is stored; the role `tetcore_query`, or `tetcore_admin` for functions
    /// that write, has all the rights that are needed.
    pub database_url: Url,
    /// Where to read instead: a replica.
    pub database_read_url: Option<Url>,
    /// The address to listen on.
    #[serde(default = "http::default_bind")]
    pub bind: IpAddr,
    /// The port to listen on.
    #[serde(default = "http::default_port", deserialize_with = "config::number")]
    pub port: u16,
    /// Connections to the database, opened when they are needed.
    #[serde(default = "default_db_pool_size", deserialize_with = "config::number")]
    pub db_pool_size: NonZeroUsize,
    /// Bytes of an answer after which a page ends early.
    #[serde(default = "default_max_response_bytes", deserialize_with = "config::number")]
    pub max_response_bytes: usize,
    /// Requests under way beyond which further ones are turned away.
    #[serde(default = "default_max_concurrent_requests", deserialize_with = "config::number")]
    pub max_concurrent_requests: NonZeroU16,
    /// Comma-separated tokens of which a request must bring one; none: open to all.
    #[serde(default)]
    pub api_tokens: Tokens,
    /// Comma-separated origins whose pages may read answers, or `*`; none: no other origin.
    #[serde(default)]
    pub cors_allowed_origins: Origins,
}

fn default_db_pool_size() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}
fn default_max_response_bytes() -> usize {
    1_000_000
}
fn default_max_concurrent_requests() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(255)
}

/// What a handler asks the database with.
#[derive(Clone)]
pub struct Query {
    reading: Pool,
    writing: Pool,
}

impl Query {
    fn new(name: &str, config: &Config, plans: Plans) -> anyhow::Result<Self> {
        let pool = |url| Pool::new(url, name, config.db_pool_size.get(), STATEMENT_TIMEOUT, plans);
        let writing = pool(&config.database_url)?;
        let reading = match &config.database_read_url {
            Some(url) => pool(url)?,
            None => writing.clone(),
        };
        Ok(Self { reading, writing })
    }

    /// All rows of `sql`, which is prepared once for each connection.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        self.reading.query(sql, parameters).await
    }

    /// As [`rows`](Self::rows), for statements that write.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn write(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        self.writing.query(sql, parameters).await
    }
}

/// Runs the query function `name`, to which `routes` adds its own routes, with statements planned
/// as `plans` says.
///
/// # Errors
/// The settings cannot be used, or the address cannot be had.
pub async fn serve(
    name: &'static str,
    config: Config,
    plans: Plans,
    shutdown: Shutdown,
    routes: impl FnOnce(Routes, Query) -> Routes,
) -> anyhow::Result<()> {
    let query = Query::new(name, &config, plans)?;
    let reading = query.reading.clone();
    let guards = Guards::new(
        config.api_tokens,
        config.cors_allowed_origins,
        config.max_concurrent_requests.get().into(),
    );
    let common = Routes::new(name, &Metrics::default())
        .guarded(guards)
        .most_bytes(config.max_response_bytes)
        .ready(move || {
            let pool = reading.clone();
            async move { Ok(pool.ping().await?) }
        });
    let listener = http::bind(config.bind, config.port, None)?;
    http::serve(listener, routes(common, query), shutdown).await
}
