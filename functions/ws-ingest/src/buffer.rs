//! What was read and is not in Redis yet: lanes that fill envelopes side by side, and the pushers
//! that hand them over. Bounded in bytes.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use shared::{
    envelope::{Builder, Sealed},
    metrics::Ingest,
    queue::{Producer, Pushed},
    row::{Log, Peer, Rejected},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use crate::clock;

/// An envelope of large messages is closed at this size.
const ENVELOPE_BYTES: usize = 512 << 10;
/// One part in so many of the buffer is for messages whose end has not come.
const UNFINISHED_SHARE: usize = 4;
/// Pause before an envelope that Redis did not take is pushed again: at first, and at the most.
const RETRY_FIRST: Duration = Duration::from_millis(5);
const RETRY_MOST: Duration = Duration::from_millis(250);

/// The buffer of the process.
pub struct Buffer {
    metrics: Ingest,
    lanes: Vec<Lane>,
    /// Bytes of messages that are not in Redis.
    bytes: AtomicUsize,
    most_bytes: usize,
    /// Bytes of messages whose end has not come.
    unfinished: AtomicUsize,
    most_unfinished: usize,
    batch_size: u32,
    /// Set off when bytes leave a full buffer.
    room: Notify,
    /// When an envelope last went to Redis or was first tried, in milliseconds since `start`.
    progress_ms: AtomicU64,
    start: Instant,
    patience: Duration,
}

/// One of several envelopes that are filled at the same time, so that threads seldom meet.
struct Lane {
    filling: Mutex<Filling>,
    /// Set off when an empty lane gets its first entry.
    begun: Notify,
}

struct Filling {
    builder: Builder,
    /// To the lane's pusher, until the end.
    outlet: Option<mpsc::UnboundedSender<Sealed>>,
    /// Counts envelopes, so that a connection knows whether it has been in this one.
    number: u64,
}

/// Whether there is room for what a connection would read next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    /// There is.
    Free,
    /// There has been none for so long that the newest messages are dropped.
    Stalled,
}

/// The ends of lanes that pushers take from.
pub type SealedQueue = mpsc::UnboundedReceiver<Sealed>;

impl Buffer {
    /// A buffer of `lanes`, which holds some `most_bytes`; and where the lanes' envelopes come
    /// out.
    pub fn new(
        metrics: Ingest,
        lanes: usize,
        most_bytes: usize,
        batch_size: u32,
        patience: Duration,
    ) -> (Arc<Self>, Vec<SealedQueue>) {
        let (lanes, outlets) = (0..lanes)
            .map(|_| {
                // Unbounded in number; the buffer is bounded in bytes.
                let (inlet, outlet) = mpsc::unbounded_channel();
                let filling =
                    Filling { builder: Builder::default(), outlet: Some(inlet), number: 0 };
                (Lane { filling: Mutex::new(filling), begun: Notify::new() }, outlet)
            })
            .unzip();
        let buffer = Self {
            metrics,
            lanes,
            bytes: AtomicUsize::new(0),
            most_bytes: most_bytes - most_bytes / UNFINISHED_SHARE,
            unfinished: AtomicUsize::new(0),
            most_unfinished: most_bytes / UNFINISHED_SHARE,
            batch_size,
            room: Notify::new(),
            progress_ms: AtomicU64::new(0),
            start: Instant::now(),
            patience,
        };
        (Arc::new(buffer), outlets)
    }

    /// Waits until there is room; for as long as envelopes go to Redis, and a little longer.
    pub async fn room(&self) -> Room {
        loop {
            if !self.is_full() {
                return Room::Free;
            }
            let Some(left) = self.patience_left() else {
                return Room::Stalled;
            };
            let freed = self.room.notified();
            if self.is_full() {
                // Either way it is looked at anew.
                let _ = timeout(left, freed).await;
            }
        }
    }

    /// How long the envelopes that are stuck may stay so; none when that has passed.
    fn patience_left(&self) -> Option<Duration> {
        let progress = Duration::from_millis(self.progress_ms.load(Relaxed));
        let quiet = self.start.elapsed().saturating_sub(progress);
        self.patience.checked_sub(quiet).filter(|left| !left.is_zero())
    }

    /// Whether it holds as much as it may.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Relaxed) >= self.most_bytes
    }

    /// Adds a message, with what is known of its peer where `peer` says so. `envelope` tells the
    /// peer's last envelope, and is told the new one.
    ///
    /// A buffer that has stalled drops the message. One that is only full takes it, since
    /// connections ask for [`room`](Self::room) before they read: it is of the few that each
    /// thread had in hand when the buffer became full.
    pub fn log(&self, lane: usize, log: &Log<'_>, peer: impl FnOnce(u64) -> Option<Peer>) {
        if self.is_full() && self.patience_left().is_none() {
            self.metrics.dropped.with_label_values(&["buffer_full"]).inc();
            return;
        }
        self.metrics.in_flight.inc();
        self.fill(lane, |filling| {
            filling.builder.log(log);
            if let Some(peer) = peer(filling.number) {
                add_peer(&mut filling.builder, &peer);
            }
        });
    }

    /// Adds a message that is not stored as it came. Only the sample is lost when the buffer is
    /// full: the message itself was counted as rejected.
    pub fn reject(&self, lane: usize, reject: &Rejected<'_>) {
        if self.is_full() {
            self.metrics.dropped_samples.inc();
        } else {
            self.fill(lane, |filling| filling.builder.reject(reject));
        }
    }

    /// Adds what is known of a peer, whatever the buffer holds: there are few such records.
    pub fn peer(&self, lane: usize, peer: &Peer) {
        self.fill(lane, |filling| add_peer(&mut filling.builder, peer));
    }

    fn fill(&self, lane: usize, add: impl FnOnce(&mut Filling)) {
        let lane = &self.lanes[lane];
        let mut filling = lock(&lane.filling);
        let before = filling.builder.len();
        add(&mut filling);
        let after = filling.builder.len();
        self.grow(after - before);
        if filling.builder.messages() >= self.batch_size || after >= ENVELOPE_BYTES {
            self.seal(&mut filling);
        } else if before == 0 {
            lane.begun.notify_one();
        }
    }

    fn seal(&self, filling: &mut Filling) {
        let builder = std::mem::take(&mut filling.builder);
        filling.number += 1;
        let counted = builder.len();
        let sealed = builder.seal(clock::now_us());
        // A header, where there was none yet.
        self.grow(sealed.bytes.len().saturating_sub(counted));
        let sent = filling.outlet.as_ref().is_some_and(|outlet| outlet.send(sealed).is_ok());
        if !sent {
            // Its messages stay in flight for ever, which `main` counts as lost.
            tracing::error!("an envelope was closed after the end");
        }
    }

    /// Accounts for what a connection holds of a message whose end has not come: `before` until
    /// now, `after` from now on. Says whether there is room for it.
    pub fn hold(&self, before: usize, after: usize) -> bool {
        let all = self.unfinished.fetch_add(after, Relaxed) + after;
        self.unfinished.fetch_sub(before, Relaxed);
        after <= before || all - before <= self.most_unfinished
    }

    /// Accounts for bytes that were read.
    fn grow(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.metrics.in_flight_bytes.add(signed(bytes));
    }

    /// Accounts for bytes that are no longer held.
    fn shrink(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Relaxed);
        self.metrics.in_flight_bytes.sub(signed(bytes));
        if before >= self.most_bytes {
            self.room.notify_waiters();
        }
    }

    /// Closes the lane's envelope `age` after its first entry, again and again.
    pub async fn seal_by_age(self: Arc<Self>, lane: usize, age: Duration) {
        let lane = &self.lanes[lane];
        loop {
            lane.begun.notified().await;
            sleep(age).await;
            let mut filling = lock(&lane.filling);
            if !filling.builder.is_empty() {
                self.seal(&mut filling);
            }
        }
    }

    /// Closes what the lanes still hold, and the lanes themselves, so that their pushers end: no
    /// connection is left to add anything.
    pub fn end(&self) {
        for lane in &self.lanes {
            let mut filling = lock(&lane.filling);
            if !filling.builder.is_empty() {
                self.seal(&mut filling);
            }
            filling.outlet = None;
        }
    }

    /// Messages read, but not in Redis.
    pub fn messages(&self) -> i64 {
        self.metrics.in_flight.get()
    }

    /// Whether an envelope is stuck is judged from the moment it was first tried, since an idle
    /// buffer makes no progress either.
    fn note_progress(&self) {
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress_ms.fetch_max(now_ms, Relaxed);
    }

    /// Hands a lane's envelopes to Redis, one after the other, however often it takes.
    pub async fn push(self: Arc<Self>, mut producer: Producer, mut outlet: SealedQueue) {
        while let Some(mut envelope) = outlet.recv().await {
            self.note_progress();
            let held = envelope.bytes.len();
            let mut pause = RETRY_FIRST;
            let mut complained = false;
            loop {
                let reason = match producer.push(&mut envelope).await {
                    Ok(Pushed::Queued) => break,
                    Ok(Pushed::Full) => "queue_full",
                    Err(error) => {
                        if !complained {
                            tracing::warn!(%error, "Redis takes nothing; trying again");
                            complained = true;
                        }
                        "error"
                    }
                };
                self.metrics.push_retries.with_label_values(&[reason]).inc();
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_MOST);
            }
            self.note_progress();
            self.metrics.queued.inc_by(envelope.messages.into());
            self.metrics.in_flight.sub(envelope.messages.into());
            self.shrink(held);
        }
    }
}

fn add_peer(builder: &mut Builder, peer: &Peer) {
    if let Err(error) = builder.peer(peer) {
        tracing::error!(%error, "a peer has no JSON form");
    }
}

/// A panic while a lane was locked left at most a message out.
fn lock(filling: &Mutex<Filling>) -> MutexGuard<'_, Filling> {
    filling.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
