//! What may still be sent, and what was.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::Notify;

/// Counters of all sockets, and the pool of messages that they share.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) sent: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) refused: AtomicU64,
    /// Messages lost to a failed write.
    pub(crate) failed: AtomicU64,
    latest_failure: Mutex<Option<String>>,
    limit: u64,
    sockets: u64,
    unclaimed: AtomicU64,
    refilled: Notify,
    finished: Notify,
}

impl Tally {
    pub(crate) fn new(limit: Option<u64>, sockets: u64) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        Self { limit, sockets, unclaimed: AtomicU64::new(limit), ..Self::default() }
    }

    /// Takes messages out of the pool before anyone shares it.
    pub(crate) fn reserve(&self, wanted: u64) -> u64 {
        self.take(|left| left.min(wanted))
    }

    /// Takes some messages, up to `wanted`, out of the pool; waits while it is empty. Nobody gets more than
    /// half of its share of what is left, so that all sockets end together.
    pub(crate) async fn claim(&self, wanted: u64) -> u64 {
        loop {
            // Made before looking, so that no refill in between goes unseen.
            let refilled = self.refilled.notified();
            let share = |left: u64| (left / (2 * self.sockets)).max(1).min(left);
            let claimed = self.take(|left| share(left).min(wanted));
            if claimed > 0 {
                return claimed;
            }
            refilled.await;
        }
    }

    fn take(&self, part: impl Fn(u64) -> u64) -> u64 {
        let rest = |left| Some(left - part(left));
        let before = self.unclaimed.fetch_update(Relaxed, Relaxed, rest);
        before.map_or(0, part)
    }

    /// Puts back what was claimed and not sent.
    pub(crate) fn release(&self, messages: u64) {
        if messages > 0 {
            self.unclaimed.fetch_add(messages, Relaxed);
            self.refilled.notify_waiters();
        }
    }

    pub(crate) fn wrote(&self, bytes: usize, messages: u64) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let before = self.sent.fetch_add(messages, Relaxed);
        if before + messages == self.limit {
            self.finished.notify_one();
        }
    }

    /// Resolves when the last message is written.
    pub(crate) async fn finished(&self) {
        self.finished.notified().await;
    }

    pub(crate) fn note_failure(&self, reason: String) {
        *self.failure() = Some(reason);
    }

    /// The latest failure since the last call.
    pub(crate) fn take_failure(&self) -> Option<String> {
        self.failure().take()
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.latest_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
