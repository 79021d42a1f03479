//! PostgreSQL: how to reach it, one connection for a worker, a pool for a query function.

use std::{fmt, pin::pin, str::FromStr, time::Duration};

use anyhow::Context as _;
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Timeouts};
use futures_util::SinkExt as _;
use rustls::ClientConfig;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls, Socket, config::SslMode, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::service::Shutdown;

pub use tokio_postgres::{
    Client, CopyInSink, Error, GenericClient, Row, Statement, Transaction,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::tls;

/// How long reaching the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a query may wait for a connection of the pool.
const POOL_TIMEOUT: Duration = Duration::from_secs(2);
/// After this much silence the kernel asks whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Bytes that the server's side does not confirm for this long end a connection.
const UNCONFIRMED: Duration = Duration::from_secs(30);
/// How often a statement is tried against the locks of others.
const LOCK_ATTEMPTS: u32 = 20;
/// Between these attempts, so that those who had to wait get on.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// `DATABASE_URL`, as libpq writes it. `sslmode` is `disable` (the default), or `require` and
/// `verify-full`, which both verify the whole chain and the host name, by [`tls::Files`].
#[derive(Clone)]
pub struct Url {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // tokio-postgres knows neither `verify-full` nor the files, so these are taken out.
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut encrypted = false;
        let mut files = tls::Files::default();
        let mut rest = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", "disable")) => encrypted = false,
                Some(("sslmode", "require" | "verify-full")) => encrypted = true,
                Some(("sslmode", other)) => {
                    return Err(format!(
                        "sslmode `{other}`: expected `disable`, `require` or `verify-full`"
                    ));
                }
                _ if files.take(parameter) => {}
                _ => rest.push(parameter),
            }
        }
        let mut config = Config::from_str(&format!("{address}?{}", rest.join("&")))
            .map_err(|error| format!("not a PostgreSQL URL: {}", source_or_self(&error)))?;
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .tcp_user_timeout(UNCONFIRMED)
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = if encrypted {
            let tls = files.client_config().map_err(|error| format!("{error:#}"))?;
            Some(MakeRustlsConnect::new(ClientConfig::clone(&tls)))
        } else if files.are_none() {
            None
        } else {
            return Err("certificates are for `sslmode=verify-full`".to_owned());
        };
        Ok(Self { config, tls })
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Host, database and user; never the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{:?}/{}{}",
            self.config.get_user().unwrap_or(""),
            self.config.get_hosts(),
            self.config.get_dbname().unwrap_or(""),
            if self.tls.is_some() { " over TLS" } else { "" }
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Url {
    /// What is sent to the server for every session: who asks, and how long it may take.
    fn for_session(&self, application: &str, options: &str) -> Config {
        let mut config = self.config.clone();
        let given = config.get_options().unwrap_or("").to_owned();
        config
            .application_name(application)
            .options(format!("{given} -c timezone=UTC {options}").trim());
        config
    }
}

/// Opens one connection for `application`; a task of its own drives it, and every later use of
/// the client fails once it has ended. `options` are server settings such as
/// `-c lock_timeout=5s`.
///
/// # Errors
/// The server cannot be reached, or refuses.
pub async fn connect(url: &Url, application: &str, options: &str) -> anyhow::Result<Client> {
    let config = url.for_session(application, options);
    let connecting = async {
        match &url.tls {
            Some(tls) => connect_with(&config, tls.clone()).await,
            None => connect_with(&config, NoTls).await,
        }
    };
    // The client's own time-out is over once the kernel has accepted, which it does for a server that hangs, too.
    let patience = CONNECT_TIMEOUT * u32::try_from(config.get_hosts().len() + 1).unwrap_or(1);
    let connected = match timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(anyhow::Error::new),
        Err(silence) => Err(silence.into()),
    };
    connected.with_context(|| format!("connecting to PostgreSQL {url}"))
}

async fn connect_with<T>(config: &Config, tls: T) -> Result<Client, Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        // Its user sees the same error at the next query, and logs it there.
        if let Err(error) = connection.await {
            tracing::debug!(error = %source_or_self(&error), "a PostgreSQL connection ended");
        }
    });
    Ok(client)
}

/// Streams the rows of `query` on one server into the table `to` on another, which has columns of
/// the same types: how many.
///
/// # Errors
/// One of the servers refused, or went away.
pub async fn copy(
    from: &Client,
    query: &str,
    target: &Transaction<'_>,
    to: &str,
) -> anyhow::Result<u64> {
    let rows = from.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await;
    let mut rows = pin!(rows.with_context(|| format!("reading {query}"))?);
    let table = target.copy_in(&format!("COPY {to} FROM STDIN (FORMAT binary)")).await;
    let mut table = pin!(table.with_context(|| format!("writing {to}"))?);
    table.send_all(&mut rows).await.with_context(|| format!("copying into {to}"))?;
    table.finish().await.with_context(|| format!("copying into {to}"))
}

/// Tries `statement` until the locks that it needs are free; `None` if they never were, or if it is
/// time to stop. Whoever waits for a table makes everyone after it wait as well, so the statement
/// should wait for a moment only (`lock_timeout`).
///
/// # Errors
/// Whatever else the server says against it.
pub async fn patiently<T>(
    client: &Client,
    shutdown: &Shutdown,
    statement: impl AsyncFn() -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    for _ in 0..LOCK_ATTEMPTS {
        match statement().await {
            Err(error) if is_locked(&error) => {
                // Ends the transaction if the statement began one; else it is only a warning.
                client.batch_execute("ROLLBACK").await?;
                if shutdown.run_until_cancelled(tokio::time::sleep(LOCK_PAUSE)).await.is_none() {
                    break;
                }
            }
            result => return result.map(Some),
        }
    }
    Ok(None)
}

fn is_locked(error: &Error) -> bool {
    matches!(error.code(), Some(&(SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED)))
}

/// What the server makes of a statement that was prepared.
#[derive(Clone, Copy, Debug)]
pub enum Plans {
    /// A plan for each query, in which filters that are not given fall away, so that an index may
    /// serve those that are.
    Custom,
    /// One plan for all queries: where each filter in it is given, and there are many partitions.
    Generic,
}

/// A few connections shared by a query function's requests; broken ones are replaced.
#[derive(Clone)]
pub struct Pool(deadpool_postgres::Pool);

impl Pool {
    /// A pool of at most `size` connections, opened when they are needed. A statement that takes
    /// longer than `statement_timeout` is cancelled by the server.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn new(
        url: &Url,
        application: &str,
        size: usize,
        statement_timeout: Duration,
        plans: Plans,
    ) -> anyhow::Result<Self> {
        let plans = match plans {
            Plans::Custom => "force_custom_plan",
            Plans::Generic => "force_generic_plan",
        };
        // Compiling a plan takes longer than it could save.
        let options = format!(
            "-c statement_timeout={} -c plan_cache_mode={plans} -c jit=off",
            statement_timeout.as_millis()
        );
        let config = url.for_session(application, &options);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &url.tls {
            Some(tls) => Manager::from_config(config, tls.clone(), recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let timeouts =
            Timeouts { wait: Some(POOL_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: None };
        deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map(Self)
            .context("building the connection pool")
    }

    /// Runs `sql`, prepared once for each connection, and returns all its rows.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        let client = self.0.get().await.map_err(|error| QueryError::Unavailable(error.into()))?;
        let answer = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, parameters).await
        };
        let answer = answer.await;
        if answer.as_ref().is_err_and(is_read_only) {
            drop(deadpool_postgres::Object::take(client));
        }
        Ok(answer?)
    }

    /// Whether a connection can be had and answers.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn ping(&self) -> Result<(), QueryError> {
        self.query("SELECT", &[]).await.map(drop)
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The server cannot be reached or is overloaded; the same query may succeed later.
    #[error("PostgreSQL is unavailable: {0:#}")]
    Unavailable(anyhow::Error),
    /// The server refused the query.
    #[error("PostgreSQL refused the query")]
    Refused(#[from] Error),
}

impl QueryError {
    /// Whether the same query may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(error) => is_transient(error),
        }
    }

    /// Whether a statement names a row that is not there.
    #[must_use]
    pub fn is_missing_reference(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION))
    }
}

/// Whether `error` is the server's or the network's state rather than the statement's fault:
/// no answer at all, or one of the classes 08 (connection), 40 (rollback), 53 (resources),
/// 55 (lock not available), 57 (operator) and 58 (system) of PostgreSQL's appendix A; or a schema
/// that has not been migrated yet.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    error.as_db_error().is_none_or(|answer| {
        // A full disk is class 53, a read-only primary after a failover 25006.
        matches!(answer.code().code().get(..2), Some("08" | "40" | "53" | "55" | "57" | "58"))
            || is_read_only(error)
            || is_undefined(error)
    })
}

/// Whether the connection leads to a server that only reads, such as a primary that became a
/// standby. It stays open; a new one may lead elsewhere.
fn is_read_only(error: &Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether a statement knows a newer schema than the database has.
fn is_undefined(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            &(SqlState::UNDEFINED_TABLE
                | SqlState::UNDEFINED_COLUMN
                | SqlState::UNDEFINED_FUNCTION)
        )
    )
}

/// Whether `error` is the fault of a value: one of the classes 22 (data), 23 (integrity) and 54
/// (limits) of PostgreSQL's appendix A. The same values never succeed.
#[must_use]
pub fn is_bad_data(error: &Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "23" | "54")))
}

/// What went wrong; tokio-postgres' own message is only "db error", and its source says which.
#[must_use]
pub fn source_or_self(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Url;

    #[test]
    fn the_password_is_never_shown() {
        let url: Url = "postgres://me:s3cret@db.example:5432/tetcore".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("s3cret"));
        assert!(!serde_json::to_string(&url).unwrap().contains("s3cret"));
    }

    #[test]
    fn ssl_modes_are_exact() {
        let with = |mode: &str| format!("postgres://h/d?sslmode={mode}").parse::<Url>();
        assert!(with("verify-full&sslrootcert=/none.pem").unwrap_err().contains("/none.pem"));
        assert!(with("verify-full&sslcert=/none.pem").unwrap_err().contains("sslkey"));
        assert!(with("disable").unwrap().tls.is_none());
        for refused in ["prefer", "disable&sslrootcert=/none.pem"] {
            assert!(with(refused).unwrap_err().contains("verify-full"));
        }
        assert!("not a url".parse::<Url>().unwrap_err().contains("not a PostgreSQL URL"));
    }
}
