//! One client's connection, from the handshake to its end.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use shared::{
    cache::{Cache, Key, Place, Read, content},
    http::Socket,
    metrics,
    queue::Error,
    service::Shutdown,
    ws::{self, CloseCode, Decoder, Event as Frame, Violation},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::Mutex,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::{
    aggregate::Aggregation,
    answer::{Subject, answer, refusal},
    cursor::Cursor,
    entry::{Entry, entries},
    feed::{Event, Feed, Inlet, Outlet, Update},
    request::{From, Topic, Wish},
};

/// The largest message of a client, in bytes.
const MOST_PAYLOAD: usize = 16 << 10;
/// Subscriptions of one connection.
const MOST_TOPICS: usize = 1000;
/// How long a client that lags, or that is told to go, may take for what was begun.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What all connections share.
pub struct Context {
    /// Where what comes is got.
    pub feed: Arc<Feed>,
    /// Where what came before is read.
    pub cache: Mutex<Cache>,
    /// Counts.
    pub metrics: metrics::Feed,
    /// Between pings.
    pub heartbeat: Duration,
    /// Without a byte.
    pub patience: Duration,
    /// How far a cursor reaches back.
    pub reach: Duration,
    /// Asks all connections to end.
    pub shutdown: Shutdown,
}

impl Context {
    /// All of the key's list; nothing where it is not open.
    async fn read(&self, key: &Key) -> Result<Option<Read>, Error> {
        let wanted = [(key.clone(), None)];
        let mut cache = self.cache.lock().await;
        // A connection that broke since it was last used is found out by using it.
        let reads = match cache.read(&wanted).await {
            Err(_) => cache.read(&wanted).await?,
            Ok(reads) => reads,
        };
        Ok(reads.into_iter().next().flatten())
    }
}

/// Why a connection ended.
enum End {
    /// The client is gone.
    Gone,
    /// It does not even take what was begun: no Close would reach it.
    Stalled(&'static str),
    /// We close, and say so.
    Close(CloseCode, &'static str),
}

impl std::convert::From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// What a client gets.
struct Subscription {
    from: From,
    /// Behind what it got; none before its first answer.
    cursor: Option<Cursor>,
    aggregation: Option<Aggregation>,
}

struct Subscriber<'a> {
    context: &'a Context,
    socket: OwnedWriteHalf,
    outlet: Outlet,
    lagging: Shutdown,
    topics: HashMap<Topic, Subscription>,
    /// From where on events come, of each key that is joined; none before it is known.
    places: HashMap<Key, Option<Place>>,
}

/// Serves one client until it ends.
pub async fn serve(context: Arc<Context>, Socket { stream, early }: Socket) {
    let (reading, socket) = stream.into_split();
    let (outlet, inlet) = context.feed.subscriber();
    context.metrics.subscribers.inc();
    let lagging = inlet.lagging.clone();
    let mut subscriber = Subscriber {
        context: &context,
        socket,
        outlet,
        lagging,
        topics: HashMap::new(),
        places: HashMap::new(),
    };
    let end = subscriber.converse(reading, BytesMut::from(early.as_ref()), inlet).await;
    for key in subscriber.places.keys() {
        context.feed.leave(key, &subscriber.outlet);
    }
    context.metrics.subscribers.dec();
    context.metrics.subscriptions.sub(i64::try_from(subscriber.topics.len()).unwrap_or(0));
    match end {
        Ok(()) | Err(End::Gone) => {}
        Err(End::Stalled(reason)) => context.metrics.closed.with_label_values(&[reason]).inc(),
        Err(End::Close(code, reason)) => {
            context.metrics.closed.with_label_values(&[reason]).inc();
            let mut frame = Vec::new();
            ws::close(&mut frame, code, reason);
            // Who reads no more does not hear it either.
            let _ = timeout(LAST_WRITE, subscriber.socket.write_all(&frame)).await;
        }
    }
}

impl Subscriber<'_> {
    async fn converse(
        &mut self,
        mut reading: OwnedReadHalf,
        mut input: BytesMut,
        mut inlet: Inlet,
    ) -> Result<(), End> {
        let mut decoder = Decoder::new(MOST_PAYLOAD, 0);
        let mut heartbeat = interval(self.context.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_byte = Instant::now();
        loop {
            self.take(&mut decoder, &mut input).await?;
            tokio::select! {
                () = self.context.shutdown.cancelled() => {
                    return Err(End::Close(CloseCode::Away, "shutdown"));
                }
                () = self.lagging.cancelled() => return Err(End::Close(CloseCode::Again, "lag")),
                read = reading.read_buf(&mut input) => {
                    if read? == 0 {
                        return Err(End::Gone);
                    }
                    last_byte = Instant::now();
                }
                Some(event) = inlet.next() => self.hear(event).await?,
                _ = heartbeat.tick() => {
                    if last_byte.elapsed() > self.context.patience {
                        return Err(End::Close(CloseCode::Away, "timeout"));
                    }
                    let mut ping = Vec::new();
                    ws::ping(&mut ping);
                    self.write(&ping).await?;
                }
            }
        }
    }

    /// Does what is asked in the complete frames of `input`.
    async fn take(&mut self, decoder: &mut Decoder, input: &mut BytesMut) -> Result<(), End> {
        loop {
            let (taken, request) = match decoder.decode(input) {
                Ok(None) => return Ok(()),
                Ok(Some((taken, Frame::Message(text)))) => (taken, Some(Wish::parse(text))),
                Ok(Some((taken, Frame::Ping(payload)))) => {
                    let mut pong = Vec::new();
                    ws::pong(&mut pong, payload);
                    self.write(&pong).await?;
                    (taken, None)
                }
                Ok(Some((_, Frame::Close))) => {
                    return Err(End::Close(CloseCode::Normal, "client_close"));
                }
                Ok(Some((taken, Frame::Other))) => (taken, None),
                Err(Violation::TooLarge { .. }) => {
                    return Err(End::Close(CloseCode::Size, "too_large"));
                }
                Err(Violation::Protocol(_)) => {
                    return Err(End::Close(CloseCode::Protocol, "protocol"));
                }
            };
            input.advance(taken);
            match request {
                Some(Ok(Wish::Subscribe(topic, from))) => self.subscribe(topic, from).await?,
                Some(Ok(Wish::Unsubscribe(topic))) => self.unsubscribe(&topic),
                Some(Err(error)) => self.say(&refusal(None, &error)).await?,
                None => {}
            }
        }
    }

    async fn subscribe(&mut self, topic: Topic, from: From) -> Result<(), End> {
        if self.topics.len() >= MOST_TOPICS && !self.topics.contains_key(&topic) {
            let error = format!("a connection has at most {MOST_TOPICS} subscriptions");
            return self.say(&refusal(Some(&Subject::new(&topic)), &error)).await;
        }
        let aggregation = topic.aggregate.map(|(aggregate, s)| Aggregation::new(aggregate, s));
        let from = match (from, &aggregation) {
            // The interval that has begun is complete.
            (From::Now, Some(aggregation)) => {
                let beginning = aggregation.beginning(Utc::now().timestamp_micros());
                DateTime::from_timestamp_micros(beginning).map_or(from, From::Time)
            }
            _ => from,
        };
        let cursor = match from {
            From::Cursor(cursor, _) => Some(cursor),
            From::Now | From::Time(_) => None,
        };
        let new = Subscription { from, cursor, aggregation };
        if self.topics.insert(topic.clone(), new).is_none() {
            self.context.metrics.subscriptions.inc();
        }
        match self.places.get(&topic.key) {
            Some(Some(place)) => self.catch_up(&topic, *place).await,
            Some(None) => Ok(()),
            None => {
                self.places.insert(topic.key.clone(), None);
                self.context.feed.join(&topic.key, &self.outlet);
                Ok(())
            }
        }
    }

    fn unsubscribe(&mut self, topic: &Topic) {
        if self.topics.remove(topic).is_some() {
            self.context.metrics.subscriptions.dec();
        }
        let is_wanted = self.topics.keys().any(|other| other.key == topic.key);
        if !is_wanted && self.places.remove(&topic.key).is_some() {
            self.context.feed.leave(&topic.key, &self.outlet);
        }
    }

    async fn hear(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Placed(key, place) => {
                let Some(known) = self.places.get_mut(&key) else { return Ok(()) };
                *known = Some(place);
                for topic in self.topics_of(&key) {
                    self.catch_up(&topic, place).await?;
                }
            }
            Event::Update(update) => {
                let Some(known) = self.places.get_mut(&update.key) else { return Ok(()) };
                *known = Some(update.cursor.place);
                for topic in self.topics_of(&update.key) {
                    self.pass_on(&topic, &update).await?;
                }
            }
        }
        Ok(())
    }

    fn topics_of(&self, key: &Key) -> Vec<Topic> {
        self.topics.keys().filter(|topic| topic.key == *key).cloned().collect()
    }

    /// Sends what is in the cache up to `place` and was not sent yet.
    async fn catch_up(&mut self, topic: &Topic, place: Place) -> Result<(), End> {
        let Some(subscription) = self.topics.get_mut(topic) else { return Ok(()) };
        let read = match self.context.read(&topic.key).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "a subscriber cannot be served");
                return Err(End::Close(CloseCode::Again, "cache_away"));
            }
        };
        // A list that was opened anew meanwhile is told of soon.
        let Some(read) = read.filter(|read| read.from.generation == place.generation) else {
            return Ok(());
        };
        let since = |position: u64| {
            usize::try_from(position.saturating_sub(read.from.position)).unwrap_or(usize::MAX)
        };
        let chunks = &read.chunks[..since(place.position).min(read.chunks.len())];
        let (old, new) = match subscription.cursor {
            Some(cursor) if cursor.place.generation == place.generation => {
                if cursor.place.position < read.from.position {
                    return self.refuse_cursor(topic).await;
                }
                chunks.split_at(since(cursor.place.position).min(chunks.len()))
            }
            Some(cursor) if cursor.is_before(Utc::now() - self.context.reach) => {
                return self.refuse_cursor(topic).await;
            }
            _ => (&[][..], chunks),
        };
        let behind = |cursor: Cursor, entry: &Entry<'_>| {
            cursor.place.generation == place.generation || entry.id > cursor.id
        };
        let old: Vec<Entry<'_>> = old.iter().flat_map(|chunk| entries(content(chunk))).collect();
        let new: Vec<Entry<'_>> = new.iter().flat_map(|chunk| entries(content(chunk))).collect();
        let known = subscription.cursor.map_or_else(Cursor::id_now, |cursor| cursor.id);
        let cursor = Cursor::behind(place, known, old.iter().chain(&new));
        let is_wanted = |entry: &&Entry<'_>| {
            subscription.from.includes(entry)
                && match subscription.cursor {
                    Some(cursor) => behind(cursor, entry),
                    None => subscription.from != From::Now,
                }
        };
        let subject = Subject::new(topic);
        let first = subscription.cursor.is_none() || matches!(subscription.from, From::Cursor(..));
        let text = if let Some(aggregation) = &mut subscription.aggregation {
            if first {
                for entry in old.iter().filter(|entry| subscription.from.includes(entry)) {
                    aggregation.add(entry);
                }
                aggregation.settle();
            }
            for entry in new.iter().filter(is_wanted) {
                aggregation.add(entry);
            }
            let text = answer(&subject, &aggregation.changed(), cursor);
            aggregation.settle();
            text
        } else {
            let data: Vec<_> = new.iter().filter(is_wanted).map(Entry::message).collect();
            self.context.metrics.delivered.inc_by(data.len() as u64);
            answer(&subject, &data, cursor)
        };
        subscription.from = subscription.from.continued();
        subscription.cursor = Some(cursor);
        self.say(&text).await
    }

    /// Sends what has just come.
    async fn pass_on(&mut self, topic: &Topic, update: &Update) -> Result<(), End> {
        let Some(subscription) = self.topics.get_mut(topic) else { return Ok(()) };
        if subscription.cursor.is_none() {
            // It is not placed yet.
            return Ok(());
        }
        subscription.cursor = Some(update.cursor);
        let from = subscription.from;
        let includes_all = match from {
            From::Time(start) => start.timestamp_micros() <= update.oldest,
            From::Now | From::Cursor(..) => true,
        };
        if subscription.aggregation.is_none() && includes_all {
            self.context.metrics.delivered.inc_by(update.messages);
            return self.write(&update.frame).await;
        }
        let new = update.chunks.iter().flat_map(|chunk: &Bytes| entries(chunk));
        let new: Vec<Entry<'_>> = new.filter(|entry| from.includes(entry)).collect();
        let subject = Subject::new(topic);
        let text = if let Some(aggregation) = &mut subscription.aggregation {
            for entry in &new {
                aggregation.add(entry);
            }
            let changed = aggregation.changed();
            let text = (!changed.is_empty()).then(|| answer(&subject, &changed, update.cursor));
            aggregation.settle();
            text
        } else {
            let data: Vec<_> = new.iter().map(Entry::message).collect();
            self.context.metrics.delivered.inc_by(data.len() as u64);
            (!data.is_empty()).then(|| answer(&subject, &data, update.cursor))
        };
        match text {
            Some(text) => self.say(&text).await,
            None => Ok(()),
        }
    }

    /// What followed the cursor is not there any more.
    async fn refuse_cursor(&mut self, topic: &Topic) -> Result<(), End> {
        let error = "`since`: what followed is not kept any more; subscribe without it";
        let text = refusal(Some(&Subject::new(topic)), error);
        self.unsubscribe(topic);
        self.say(&text).await
    }

    async fn say(&mut self, text: &str) -> Result<(), End> {
        let mut frame = Vec::with_capacity(text.len() + 10);
        ws::text(&mut frame, text.as_bytes());
        self.write(&frame).await
    }

    /// Writes a frame. A client that lags, or that is told to go, may read this one to its end.
    async fn write(&mut self, frame: &[u8]) -> Result<(), End> {
        let mut writing = std::pin::pin!(self.socket.write_all(frame));
        let reason = tokio::select! {
            written = &mut writing => return Ok(written?),
            () = self.lagging.cancelled() => "lag",
            () = self.context.shutdown.cancelled() => "shutdown",
        };
        match timeout(LAST_WRITE, writing).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Stalled(reason)),
        }
    }
}

impl From {
    /// Whether the message is of the time that is wanted.
    fn includes(&self, entry: &Entry<'_>) -> bool {
        match self {
            Self::Time(start) | Self::Cursor(_, Some(start)) => entry.created_at() >= *start,
            Self::Now | Self::Cursor(_, None) => true,
        }
    }

    /// The same behind the first answer.
    fn continued(self) -> Self {
        match self {
            Self::Cursor(_, Some(start)) => Self::Time(start),
            Self::Cursor(_, None) => Self::Now,
            other => other,
        }
    }
}
