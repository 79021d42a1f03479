//! A connection to Redis that outlives its failures.

use std::{
    fmt, io,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, Script, ScriptInvocation,
    aio::MultiplexedConnection,
};
use rustls::{ClientConfig, pki_types::ServerName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Error;
use crate::tls;

/// How long Redis may take for an answer or a connection.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a consumer listens for the doorbell before it looks around.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// `REDIS_URL`: `redis://`, or `rediss://` over TLS, verified in full by [`tls::Files`].
#[derive(Clone)]
pub struct Url {
    /// Without TLS, which is ours to add, as it is for PostgreSQL.
    client: Client,
    tls: Option<Arc<ClientConfig>>,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut files = tls::Files::default();
        let rest: Vec<&str> = query.split('&').filter(|parameter| !files.take(parameter)).collect();
        let (plain, encrypted) = match address.strip_prefix("rediss://") {
            Some(address) => (format!("redis://{address}"), true),
            None => (address.to_owned(), false),
        };
        let client = Client::open(format!("{plain}?{}", rest.join("&")))
            .map_err(|error| format!("not a Redis URL: {error}"))?;
        let tls = if encrypted {
            if text.contains('#') {
                return Err("a `#` has no meaning behind `rediss://`".to_owned());
            }
            Some(files.client_config().map_err(|error| format!("{error:#}"))?)
        } else if files.are_none() {
            None
        } else {
            return Err("certificates are for `rediss://`".to_owned());
        };
        Ok(Self { client, tls })
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Only the address; never the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = if self.tls.is_some() { " over TLS" } else { "" };
        write!(f, "{}{over}", self.client.get_connection_info().addr())
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
    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            // Blocking commands wait for WAIT before they answer.
            .set_response_timeout(Some(TIMEOUT + WAIT));
        match &self.tls {
            Some(tls) => tokio::time::timeout(TIMEOUT, self.connect_over(tls, config))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?,
            None => self.client.get_multiplexed_async_connection_with_config(&config).await,
        }
    }

    async fn connect_over(
        &self,
        tls: &Arc<ClientConfig>,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Error> {
        let server = self.client.get_connection_info();
        let ConnectionAddr::Tcp(host, port) = server.addr() else {
            return Err(io::Error::from(io::ErrorKind::Unsupported).into());
        };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        let (connection, driver) =
            MultiplexedConnection::new_with_config(server.redis_settings(), stream, config).await?;
        // Ends with the last handle of the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}

/// A connection that is opened when it is needed, and anew after it broke.
pub(crate) struct Connection {
    url: Url,
    open: Option<MultiplexedConnection>,
    /// Redis' clock in milliseconds at a moment of ours: the clocks of those who connect differ.
    clock: Option<(Instant, u64)>,
}

impl Connection {
    pub(crate) fn new(url: &Url) -> Self {
        Self { url: url.clone(), open: None, clock: None }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut MultiplexedConnection, Error> {
        let open =
            if let Some(open) = self.open.take() { open } else { self.url.connect().await? };
        Ok(self.open.insert(open))
    }

    /// What a script answers.
    pub(crate) async fn run<T: FromRedisValue>(
        &mut self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        let connection = self.get().await?;
        let result = call.invoke_async(connection).await;
        self.checked(result)
    }

    /// Redis' clock in milliseconds since 1970.
    pub(crate) async fn now_ms(&mut self) -> Result<u64, Error> {
        let (moment, then) = if let Some(known) = self.clock {
            known
        } else {
            let moment = Instant::now();
            let connection = self.get().await?;
            let result = redis::cmd("TIME").query_async::<(u64, u64)>(connection).await;
            let (seconds, micros) = self.checked(result)?;
            *self.clock.insert((moment, seconds * 1000 + micros / 1000))
        };
        Ok(then + u64::try_from(moment.elapsed().as_millis()).unwrap_or(0))
    }

    /// Passes `result` on; a broken connection is given up.
    pub(crate) fn checked<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.as_ref().is_err_and(|error| {
            error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error()
        }) {
            self.open = None;
            self.clock = None;
        }
        result
    }
}

/// A script that knows Redis' clock, in milliseconds, as `now`.
pub(crate) fn with_clock(script: &str) -> Script {
    Script::new(&format!(
        "local t = redis.call('TIME')
         local now = t[1] * 1000 + math.floor(t[2] / 1000)
         {script}"
    ))
}
