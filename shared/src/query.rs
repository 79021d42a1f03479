//! What every query function has: the same settings, a pool of connections, and the routes.

use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config,
    db::{Pool, QueryError, Row, ToSql, Url},
    http::{self, Answer, Cursor, Limit, Routes},
    metrics::Metrics,
    service::Shutdown,
};

/// A query that takes longer is given up by the server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a query function, a variable each, named like the field in capitals.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where messages are stored; the role `tetcore_query` has all the rights that are needed.
    pub database_url: Url,
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
}

fn default_db_pool_size() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}
fn default_max_response_bytes() -> usize {
    1_000_000
}

/// What a handler asks the database with.
#[derive(Clone)]
pub struct Query {
    pool: Pool,
    most_bytes: usize,
}

impl Query {
    /// All rows of `sql`, which is prepared once for each connection.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        self.pool.query(sql, parameters).await
    }

    /// An answer of these rows, which ends early where it would grow too large: see
    /// [`Answer::page`].
    ///
    /// # Errors
    /// A row has no JSON form.
    pub fn page<T: Serialize, const DEFAULT: u32, const MAX: u32>(
        &self,
        rows: &[T],
        limit: Limit<DEFAULT, MAX>,
        cursor: impl FnOnce(&T) -> Cursor,
    ) -> http::Result<Answer> {
        Answer::page(rows, limit.get(), self.most_bytes, cursor)
    }
}

/// Runs the query function `name`, to which `routes` adds its own routes.
///
/// # Errors
/// The settings cannot be used, or the address cannot be had.
pub async fn serve(
    name: &str,
    config: Config,
    shutdown: Shutdown,
    routes: impl FnOnce(Routes, Query) -> Routes,
) -> anyhow::Result<()> {
    let pool = Pool::new(&config.database_url, name, config.db_pool_size.get(), STATEMENT_TIMEOUT)?;
    let query = Query { pool: pool.clone(), most_bytes: config.max_response_bytes };
    let common = Routes::new(&Metrics::default()).ready(move || {
        let pool = pool.clone();
        async move { Ok(pool.ping().await?) }
    });
    let listener = http::bind(config.bind, config.port, None)?;
    http::serve(listener, routes(common, query), shutdown).await
}
