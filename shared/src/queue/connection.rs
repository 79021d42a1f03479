//! A connection to Redis that outlives its failures.

use std::time::Instant;

use redis::{
    FromRedisValue, Script, ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection,
};

use super::{Error, Url};

/// A connection that is opened when it is needed, and anew after it broke or its keys went to
/// another server. It is for keys of one slot.
pub(crate) struct Connection {
    url: Url,
    /// Any key of the slot; there need not be such a key.
    key: String,
    open: Option<MultiplexedConnection>,
    /// Redis' clock in milliseconds at a moment of ours: the clocks of those who connect differ.
    clock: Option<(Instant, u64)>,
}

impl Connection {
    /// A connection to where `key` is.
    pub(crate) fn new(url: &Url, key: &str) -> Self {
        Self { url: url.clone(), key: key.to_owned(), open: None, clock: None }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut MultiplexedConnection, Error> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.url.connect(&self.key).await?,
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

    /// Passes `result` on. A connection that broke is given up, and so is one to a server that
    /// does not have the keys any more.
    pub(crate) fn checked<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.as_ref().is_err_and(|error| is_broken(error) || is_elsewhere(error)) {
            self.open = None;
            self.clock = None;
        }
        result
    }
}

fn is_broken(error: &Error) -> bool {
    error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error()
}

/// Whether another server of a Cluster may do what this one did not. Nothing was done then, and
/// the caller tries again: a moment later, since the servers may have to agree first.
fn is_elsewhere(error: &Error) -> bool {
    let errors = error.clone().into_server_errors().unwrap_or_default();
    errors.iter().any(|(_, error)| {
        let is_moved = matches!(
            error.kind(),
            Some(
                ServerErrorKind::Moved
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
            )
        );
        // A master that becomes a replica says so to who waits for the doorbell.
        is_moved || error.code() == "UNBLOCKED"
    })
}

/// A script that knows Redis' clock, in milliseconds, as `now`.
pub(crate) fn with_clock(script: &str) -> Script {
    Script::new(&format!(
        "local t = redis.call('TIME')
         local now = t[1] * 1000 + math.floor(t[2] / 1000)
         {script}"
    ))
}
