//! Where Redis is: one server, or those of a Cluster, of which each key has its own.

use std::{
    fmt, io,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ServerErrorKind, Value,
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
/// Servers that may send us on to the next while they do not agree yet.
const MOST_HOPS: usize = 4;

/// `REDIS_URL`: `redis://`, or `rediss://` over TLS, verified in full by [`tls::Files`]. Of a
/// Cluster one server suffices while it runs; several stand behind commas.
///
/// What is learnt of a Cluster is shared by all clones.
#[derive(Clone)]
pub struct Url {
    given: Arc<[Server]>,
    /// All that are known, in the order in which they are asked.
    known: Arc<Mutex<Vec<Server>>>,
}

/// One server, and how it is reached.
#[derive(Clone)]
struct Server {
    /// Without TLS, which is ours to add, as it is for PostgreSQL.
    info: ConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A comma alone may be part of a password.
        let mut rest = text;
        let mut given = Vec::new();
        while !rest.is_empty() {
            let end = rest.find(",redis").unwrap_or(rest.len());
            given.push(rest[..end].parse()?);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        if given.is_empty() {
            return Err("not a Redis URL: it is empty".to_owned());
        }
        Ok(Self { known: Arc::new(Mutex::new(given.clone())), given: given.into() })
    }
}

impl FromStr for Server {
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
        Ok(Self { info: client.get_connection_info().clone(), tls })
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Only the addresses; never a password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.given.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let over = if server.tls.is_some() { " over TLS" } else { "" };
            write!(f, "{comma}{}{over}", server.address())?;
        }
        Ok(())
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
    /// A connection to the server that has `key`, which is the only server or the master of the
    /// key's slot. Others of a Cluster tell who that is.
    pub(super) async fn connect(&self, key: &str) -> Result<MultiplexedConnection, Error> {
        let mut failed = Vec::new();
        let mut last = None;
        let known = self.known().clone();
        for server in known {
            match self.follow(server, key, &mut failed).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no server").into()))
    }

    /// Goes from `server` to where it says that `key` is, but not to those that have `failed`.
    async fn follow(
        &self,
        mut server: Server,
        key: &str,
        failed: &mut Vec<ConnectionAddr>,
    ) -> Result<MultiplexedConnection, Error> {
        let mut hops = 0;
        loop {
            let error = match open(&server, key).await {
                Ok(mut connection) => {
                    self.learn(&server, &mut connection).await;
                    return Ok(connection);
                }
                Err(error) => error,
            };
            hops += 1;
            let Some(next) = moved_to(&server, &error) else {
                self.ask_last(server.address());
                failed.push(server.address().clone());
                return Err(error);
            };
            if hops == MOST_HOPS || failed.contains(next.address()) {
                return Err(error);
            }
            server = next;
        }
    }

    /// Learns the other servers of a Cluster, so that any of them can be asked when this one is
    /// gone. A server that is alone refuses to tell.
    async fn learn(&self, server: &Server, connection: &mut MultiplexedConnection) {
        let slots = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await;
        let Ok(slots) = slots else { return };
        let nodes = nodes(server, &slots);
        let is_known = |known: &[Server], node: &Server| {
            known.iter().any(|other| other.address() == node.address())
        };
        let mut known = self.known();
        known.retain(|other| is_known(&nodes, other) || is_known(&self.given, other));
        for node in nodes {
            if !is_known(&known, &node) {
                known.push(node);
            }
        }
    }

    fn ask_last(&self, address: &ConnectionAddr) {
        // Stable, so the order of the others stays.
        self.known().sort_by_key(|server| server.address() == address);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Server>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn address(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            // Blocking commands wait for WAIT before they answer.
            .set_response_timeout(Some(TIMEOUT + WAIT));
        let Some(tls) = &self.tls else {
            let client = Client::open(self.info.clone())?;
            return client.get_multiplexed_async_connection_with_config(&config).await;
        };
        tokio::time::timeout(TIMEOUT, self.connect_over(tls, config))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn connect_over(
        &self,
        tls: &Arc<ClientConfig>,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Error> {
        let ConnectionAddr::Tcp(host, port) = self.address() else {
            return Err(io::Error::from(io::ErrorKind::Unsupported).into());
        };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        let settings = self.info.redis_settings();
        let (connection, driver) =
            MultiplexedConnection::new_with_config(settings, stream, config).await?;
        // Ends with the last handle of the connection.
        tokio::spawn(driver);
        Ok(connection)
    }

    /// Another server of the Cluster, reached in the same way; without a host it is the same host.
    fn beside(&self, host: &str, port: u16) -> Self {
        let host = |own: &str| if matches!(host, "" | "?") { own } else { host }.to_owned();
        let address = match self.address().clone() {
            ConnectionAddr::Tcp(own, _) => ConnectionAddr::Tcp(host(&own), port),
            other => other,
        };
        Self { info: self.info.clone().set_addr(address), tls: self.tls.clone() }
    }
}

/// A connection to `server`, if that has `key`.
async fn open(server: &Server, key: &str) -> Result<MultiplexedConnection, Error> {
    let mut connection = server.connect().await?;
    match redis::cmd("EXISTS").arg(key).query_async::<i64>(&mut connection).await {
        // While a slot is on its way, its old master is still asked first.
        Err(error) if error.kind() != ServerErrorKind::Ask.into() => Err(error),
        _ => Ok(connection),
    }
}

/// The server to which `error` sends whoever asked `server`.
fn moved_to(server: &Server, error: &Error) -> Option<Server> {
    if error.kind() != ServerErrorKind::Moved.into() {
        return None;
    }
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    Some(server.beside(host, port.parse().ok()?))
}

/// The servers in an answer of `server`'s to `CLUSTER SLOTS`: ranges of first slot, last slot, and
/// servers, each with host, port and more.
fn nodes(server: &Server, slots: &Value) -> Vec<Server> {
    let node = |node: &Value| match elements(node) {
        [host, Value::Int(port), ..] => {
            let host = match host {
                Value::BulkString(host) => std::str::from_utf8(host).ok()?,
                // It does not know how it is reached; we do.
                _ => "",
            };
            Some(server.beside(host, u16::try_from(*port).ok()?))
        }
        _ => None,
    };
    elements(slots)
        .iter()
        .flat_map(|range| elements(range).iter().skip(2))
        .filter_map(node)
        .collect()
}

/// The elements of an array; none of anything else.
fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        _ => &[],
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn several_servers_stand_behind_commas() {
        let url = |text: &str| text.parse::<Url>().map(|url| url.to_string());
        assert_eq!(url("redis://:a,b@one:7000").unwrap(), "one:7000");
        let two = "redis://u:secret@one:7000,rediss://u:secret@two";
        assert_eq!(url(two).unwrap(), "one:7000,two:6379 over TLS");
        for wrong in ["", "one:7000", "redis://one,redis-two", "http://one"] {
            assert!(url(wrong).unwrap_err().starts_with("not a Redis URL"), "{wrong}");
        }
    }

    #[test]
    fn servers_of_a_cluster_are_reached_as_the_first_was() {
        let server: Server = "rediss://u:secret@one:7000".parse().unwrap();
        let node = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range =
            |nodes: &[Value]| Value::Array([&[Value::Int(0), Value::Int(5)], nodes].concat());
        let slots = Value::Array(vec![
            range(&[node(text("::1"), 7001), node(text("two"), 7002)]),
            range(&[node(Value::Nil, 7003), node(text("?"), 7004), node(text(""), 70_000)]),
        ]);
        let nodes = nodes(&server, &slots);
        let addresses: Vec<_> = nodes.iter().map(|node| node.address().to_string()).collect();
        assert_eq!(addresses, ["::1:7001", "two:7002", "one:7003", "one:7004"]);
        assert!(nodes.iter().all(|node| node.info.redis_settings().password() == Some("secret")));
        assert!(nodes.iter().all(|node| node.tls.is_some()));
    }
}
