//! A connection to Redis that outlives its failures.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, Script, ScriptInvocation,
    aio::MultiplexedConnection,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Error;

/// How long Redis may take for an answer or a connection.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a consumer listens for the doorbell before it looks around.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// `REDIS_URL`: `redis://` or, verified against the system's roots, `rediss://`.
#[derive(Clone)]
pub struct Url(Client);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Client::open(text).map(Self).map_err(|error| format!("not a Redis URL: {error}"))
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
        fmt::Display::fmt(self.0.get_connection_info().addr(), f)
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

/// A connection that is opened when it is needed, and anew after it broke.
pub(crate) struct Connection {
    client: Client,
    open: Option<MultiplexedConnection>,
    /// Redis' clock in milliseconds at a moment of ours: the clocks of those who connect differ.
    clock: Option<(Instant, u64)>,
}

impl Connection {
    pub(crate) fn new(url: &Url) -> Self {
        Self { client: url.0.clone(), open: None, clock: None }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut MultiplexedConnection, Error> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(TIMEOUT))
                // Blocking commands wait for WAIT before they answer.
                .set_response_timeout(Some(TIMEOUT + WAIT));
            self.client.get_multiplexed_async_connection_with_config(&config).await?
        };
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
