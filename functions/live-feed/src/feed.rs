//! What this instance's subscribers watch: read from the cache again and again, once for all.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use shared::{
    cache::{Cache, Key, Place, Read, content},
    service::Shutdown,
    ws,
};
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use crate::{
    answer::{Subject, answer},
    cursor::Cursor,
    entry::{Entry, entries},
    request::Topic,
};

/// Before a list is looked for again that is not open yet.
const OPENING: Duration = Duration::from_millis(50);
/// What may wait for a subscriber; one that lags further behind is left.
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// From this place on it gets everything of the key. What is before is in the cache.
    Placed(Key, Place),
    /// What came since the event before.
    Update(Arc<Update>),
}

/// What came of a key.
#[derive(Debug)]
pub struct Update {
    /// Of what.
    pub key: Key,
    /// Chunks of entries.
    pub chunks: Vec<Bytes>,
    /// Behind it.
    pub cursor: Cursor,
    /// The earliest `created_at` in it, in microseconds since 1970.
    pub oldest: i64,
    /// The WebSocket frame with all of it, and how many messages are in it.
    pub frame: Bytes,
    /// Messages in it.
    pub messages: u64,
}

/// The keys that are watched here.
pub struct Feed {
    keys: Mutex<HashMap<Key, Watched>>,
    /// Set off when a key is new.
    new: Notify,
    next: AtomicU64,
}

/// A key, and who watches it.
#[derive(Default)]
struct Watched {
    /// Behind what they got; none while the list is not open.
    at: Option<Cursor>,
    outlets: HashMap<u64, Outlet>,
}

/// Where events for one subscriber go in.
#[derive(Clone)]
pub struct Outlet {
    number: u64,
    events: mpsc::Sender<Event>,
    bytes: Arc<AtomicUsize>,
    /// Cancelled when it lags.
    lagging: Shutdown,
}

/// Where they come out.
pub struct Inlet {
    events: mpsc::Receiver<Event>,
    bytes: Arc<AtomicUsize>,
    /// Cancelled when more is waiting than may be: nothing comes any more.
    pub lagging: Shutdown,
}

impl Inlet {
    /// The next event.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.bytes.fetch_sub(event.size(), Relaxed);
        Some(event)
    }
}

impl Event {
    fn size(&self) -> usize {
        match self {
            Self::Placed(..) => 0,
            Self::Update(update) => update.frame.len(),
        }
    }
}

impl Outlet {
    fn send(&self, event: Event) {
        let size = event.size();
        let waiting = self.bytes.fetch_add(size, Relaxed);
        if waiting > 0 && waiting + size > MOST_BYTES || self.events.try_send(event).is_err() {
            self.lagging.cancel();
        }
    }
}

impl Feed {
    /// Nothing is watched yet.
    pub fn new() -> Self {
        Self { keys: Mutex::default(), new: Notify::new(), next: AtomicU64::new(0) }
    }

    /// Both ends of a new subscriber's events.
    pub fn subscriber(&self) -> (Outlet, Inlet) {
        let (sender, receiver) = mpsc::channel(MOST_EVENTS);
        let (bytes, lagging) = (Arc::new(AtomicUsize::new(0)), Shutdown::new());
        let number = self.next.fetch_add(1, Relaxed);
        let outlet =
            Outlet { number, events: sender, bytes: Arc::clone(&bytes), lagging: lagging.clone() };
        (outlet, Inlet { events: receiver, bytes, lagging })
    }

    /// Sends a subscriber everything of `key` from the place on that the first event tells.
    pub fn join(&self, key: &Key, outlet: &Outlet) {
        let mut keys = self.keys();
        let watched = keys.entry(key.clone()).or_default();
        watched.outlets.insert(outlet.number, outlet.clone());
        match watched.at {
            Some(at) => outlet.send(Event::Placed(key.clone(), at.place)),
            None => self.new.notify_one(),
        }
    }

    /// Sends the subscriber nothing of `key` any more.
    pub fn leave(&self, key: &Key, outlet: &Outlet) {
        let mut keys = self.keys();
        if let Some(watched) = keys.get_mut(key) {
            watched.outlets.remove(&outlet.number);
            if watched.outlets.is_empty() {
                keys.remove(key);
            }
        }
    }

    /// Passes on what comes, every `interval`, until `shutdown`; keeps what is watched wanted for
    /// `timeout_s`.
    pub async fn run(
        self: Arc<Self>,
        mut cache: Cache,
        interval: Duration,
        timeout_s: u64,
        shutdown: Shutdown,
    ) {
        let mut next = tokio::time::interval(interval);
        next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_due = tokio::select! {
                _ = next.tick() => true,
                () = self.new.notified() => false,
                () = shutdown.cancelled() => return,
            };
            let (all, waiting) = {
                let keys = self.keys();
                let waiting = keys.values().any(|watched| watched.at.is_none());
                let wanted = keys.iter().filter(|(_, watched)| is_due || watched.at.is_none());
                let place = |watched: &Watched| watched.at.map(|at| at.place);
                let all = wanted.map(|(key, watched)| (key.clone(), place(watched))).collect();
                (all, waiting)
            };
            if let Err(error) = self.look(&mut cache, all, timeout_s).await {
                tracing::warn!(%error, "the cache cannot be read; trying again");
            }
            if waiting {
                let feed = Arc::clone(&self);
                tokio::spawn(async move {
                    sleep(OPENING).await;
                    feed.new.notify_one();
                });
            }
        }
    }

    async fn look(
        &self,
        cache: &mut Cache,
        keys: Vec<(Key, Option<Place>)>,
        timeout_s: u64,
    ) -> Result<(), shared::queue::Error> {
        let wanted: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
        cache.want(&wanted, timeout_s).await?;
        let reads = cache.read(&keys).await?;
        for ((key, _), read) in keys.into_iter().zip(reads) {
            if let Some(read) = read {
                self.pass_on(&key, &read);
            }
        }
        Ok(())
    }

    fn pass_on(&self, key: &Key, read: &Read) {
        let mut keys = self.keys();
        let Some(watched) = keys.get_mut(key) else { return };
        let follows = watched.at.is_some_and(|at| at.place == read.from);
        if follows && read.chunks.is_empty() {
            return;
        }
        let known = watched.at.map_or_else(Cursor::id_now, |at| at.id);
        let chunks: Vec<&[u8]> = read.chunks.iter().map(|chunk| content(chunk)).collect();
        let new: Vec<Entry<'_>> = chunks.iter().flat_map(|chunk| entries(chunk)).collect();
        let cursor = Cursor::behind(read.to(), known, &new);
        watched.at = Some(cursor);
        let event = if follows {
            Event::Update(Arc::new(Update::new(key, &chunks, &new, cursor)))
        } else {
            Event::Placed(key.clone(), cursor.place)
        };
        watched.outlets.retain(|_, outlet| !outlet.lagging.is_cancelled());
        for outlet in watched.outlets.values() {
            outlet.send(event.clone());
        }
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Watched>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Update {
    fn new(key: &Key, chunks: &[&[u8]], entries: &[Entry<'_>], cursor: Cursor) -> Self {
        let topic = Topic { key: key.clone(), aggregate: None };
        let data: Vec<_> = entries.iter().map(Entry::message).collect();
        let mut frame = Vec::new();
        ws::text(&mut frame, answer(&Subject::new(&topic), &data, cursor).as_bytes());
        Self {
            chunks: chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect(),
            cursor,
            oldest: entries.iter().map(|entry| entry.at).min().unwrap_or(i64::MAX),
            frame: frame.into(),
            messages: entries.len() as u64,
            key: topic.key,
        }
    }
}
