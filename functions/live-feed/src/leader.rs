//! Who fills the cache: one of all instances, with what batch-flush has stored.
//!
//! A list is opened with what PostgreSQL has of its key, once. What is stored meanwhile comes
//! through the queue's followers; the list is opened when everything that was under way when
//! PostgreSQL was asked has passed by, so that whatever was committed before and after is there,
//! each row once, in the order of ids.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{
    cache::{ALL, Cache, Key, Lead, content},
    envelope::Envelope,
    metrics::Feed,
    queue::{Follower, Mark},
    row::{Tuple, node_id, tuples},
    service::Shutdown,
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    entry::{Entry, entries},
    past::Past,
    rows::{Encoded, Seen, chunk, merged},
};

/// Between two looks at what was stored.
const STEP: Duration = Duration::from_millis(50);
/// Before something that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Rows that wait for their node to become known; beyond, they are not passed on.
const MOST_UNIDENTIFIED: usize = 10_000;

/// What is known of one list.
enum List {
    /// PostgreSQL is asked, for the time of this number; and what has come meanwhile.
    Loading(u64, Vec<Encoded>),
    /// Everything is known but what was under way at these marks.
    Waiting(Vec<Mark>, Vec<Encoded>),
    /// In the cache.
    Open(Seen),
}

/// Fills the cache while it leads.
pub struct Leader {
    cache: Cache,
    followers: Vec<Follower>,
    past: Past,
    metrics: Feed,
    expiry_s: u64,
    lists: HashMap<Key, List>,
    /// The keys of lists by node.
    of_nodes: HashMap<i64, Vec<Key>>,
    /// The keys of lists of all nodes.
    of_all: Vec<Key>,
    loads: JoinSet<(Key, u64, anyhow::Result<Vec<Encoded>>)>,
    next_load: u64,
    names: HashMap<i64, String>,
    /// Rows of connections whose node is not known yet.
    unidentified: HashMap<i64, Vec<Row>>,
}

/// A row of which the envelope does not outlive the step.
struct Row {
    id: i64,
    at: i64,
    msg: Option<String>,
    logs: Box<RawValue>,
}

/// What is read of a peer's record.
#[derive(Deserialize)]
struct Peer {
    id: i64,
    node_id: Option<i64>,
    #[serde(rename = "peer_id")]
    name: Option<String>,
}

impl Leader {
    /// A leader in waiting. Lists keep what is not older than `expiry_s` seconds.
    pub fn new(
        cache: Cache,
        followers: Vec<Follower>,
        past: Past,
        metrics: Feed,
        expiry_s: u64,
    ) -> Self {
        Self {
            cache,
            followers,
            past,
            metrics,
            expiry_s,
            lists: HashMap::new(),
            of_nodes: HashMap::new(),
            of_all: Vec::new(),
            loads: JoinSet::new(),
            next_load: 0,
            names: HashMap::new(),
            unidentified: HashMap::new(),
        }
    }

    /// Leads whenever nobody else does, until `shutdown`.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut pause = STEP;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = shutdown.cancelled() => break,
            }
            pause = match self.step().await {
                Ok(Lead::Kept) => STEP,
                Ok(Lead::Lost) => {
                    self.forget();
                    RETRY
                }
                Err(error) => {
                    // What was written is not known: it is read again, and what comes again is
                    // known by its id.
                    self.forget();
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the cache is not filled; trying again"
                    );
                    RETRY
                }
            };
            self.metrics.leading.set((pause == STEP).into());
            self.metrics.lists.set(i64::try_from(self.lists.len()).unwrap_or(i64::MAX));
        }
        if let Err(error) = self.cache.resign().await {
            tracing::debug!(%error, "another instance leads a little later");
        }
    }

    fn forget(&mut self) {
        self.loads.abort_all();
        self.lists.clear();
        self.index();
        self.unidentified.clear();
        for follower in &mut self.followers {
            follower.forget();
        }
    }

    async fn step(&mut self) -> anyhow::Result<Lead> {
        if self.cache.lead().await? == Lead::Lost {
            return Ok(Lead::Lost);
        }
        self.watch().await?;
        if self.lists.is_empty() {
            // Nobody follows then, and batch-flush keeps nothing.
            return Ok(Lead::Kept);
        }
        let loaded = self.loaded();
        let mut steps = Vec::with_capacity(self.followers.len());
        for index in 0..self.followers.len() {
            let followed = self.followers[index].follow().await?;
            if followed.is_gap {
                self.reopen().await?;
            }
            steps.push(followed);
        }
        let marks = || self.followers.iter().map(Follower::mark).collect::<Vec<_>>();
        for (key, past) in loaded {
            let Some(list) = self.lists.get_mut(&key) else { continue };
            let List::Loading(_, kept) = list else { continue };
            let rows = past.into_iter().chain(kept.drain(..)).collect();
            *list = List::Waiting(marks(), rows);
        }
        let elements: Vec<&Bytes> = steps.iter().flat_map(|step| &step.elements).collect();
        let rows = self.distribute(&elements).await?;
        if self.append(rows).await? == Lead::Lost {
            return Ok(Lead::Lost);
        }
        for (follower, step) in self.followers.iter_mut().zip(&steps) {
            follower.done(step).await?;
        }
        self.open().await
    }

    /// Takes up what is wanted since the last step, and gives up what is not any more.
    async fn watch(&mut self) -> anyhow::Result<()> {
        let (wanted, unwanted) = self.cache.wanted().await?;
        let wanted: HashSet<Key> = wanted.into_iter().collect();
        let gone = self.lists.keys().filter(|key| !wanted.contains(key)).cloned();
        let gone: Vec<Key> = gone.chain(unwanted).filter(|key| !wanted.contains(key)).collect();
        self.cache.close(&gone).await?;
        for key in &gone {
            self.lists.remove(key);
        }
        let new: Vec<Key> =
            wanted.into_iter().filter(|key| !self.lists.contains_key(key)).collect();
        let is_changed = !new.is_empty() || !gone.is_empty();
        for key in new {
            // Another leader may have opened it.
            let mut read = self.cache.read(&[(key.clone(), None)]).await?;
            match read.pop().flatten() {
                Some(read) => {
                    let ids = read.chunks.iter().flat_map(|chunk| entries(content(chunk)));
                    let seen = ids.map(|entry| entry.id).collect();
                    self.lists.insert(key, List::Open(seen));
                }
                None => self.load(key),
            }
        }
        if is_changed {
            self.index();
        }
        Ok(())
    }

    fn index(&mut self) {
        self.of_nodes.clear();
        self.of_all.clear();
        for key in self.lists.keys() {
            if key.peer_id == ALL {
                self.of_all.push(key.clone());
            } else {
                self.of_nodes.entry(node_id(&key.peer_id)).or_default().push(key.clone());
            }
        }
    }

    /// Asks PostgreSQL for what it has of the key.
    fn load(&mut self, key: Key) {
        self.next_load += 1;
        self.metrics.past_reads.inc();
        let (number, past) = (self.next_load, self.past.clone());
        self.lists.insert(key.clone(), List::Loading(number, Vec::new()));
        self.loads.spawn(async move {
            let rows = past.load(&key).await;
            (key, number, rows)
        });
    }

    /// What PostgreSQL had.
    fn loaded(&mut self) -> Vec<(Key, Vec<Encoded>)> {
        let mut loaded = Vec::new();
        while let Some(load) = self.loads.try_join_next() {
            let Ok((key, number, rows)) = load else { continue };
            let Some(List::Loading(current, _)) = self.lists.get(&key) else { continue };
            if *current != number {
                continue;
            }
            match rows {
                Ok(rows) => loaded.push((key, rows)),
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        ?key,
                        "the past cannot be read; trying again"
                    );
                    self.load(key);
                }
            }
        }
        loaded
    }

    /// Begins anew with every list: each may lack something.
    async fn reopen(&mut self) -> anyhow::Result<()> {
        let keys: Vec<Key> = self.lists.keys().cloned().collect();
        self.cache.close(&keys).await?;
        for key in keys {
            self.load(key);
        }
        Ok(())
    }

    /// The rows in `elements`, by the key that they belong to.
    async fn distribute(
        &mut self,
        elements: &[&Bytes],
    ) -> anyhow::Result<HashMap<Key, Vec<Encoded>>> {
        let envelopes: Vec<Envelope> =
            elements.iter().filter_map(|element| Envelope::open(element).ok()).collect();
        let mut peers = Vec::with_capacity(envelopes.len());
        for envelope in &envelopes {
            peers.push(records(&envelope.peers).context("a peer's record")?);
        }
        for peer in peers.iter().flatten() {
            if let (Some(node), Some(name)) = (peer.node_id, &peer.name) {
                self.names.insert(node, name.clone());
            }
        }
        if !self.of_all.is_empty() {
            self.learn_names(&envelopes).await?;
        }
        let mut rows = HashMap::new();
        for (envelope, peers) in envelopes.iter().zip(&peers) {
            for tuple in tuples(&envelope.rows).filter_map(Tuple::read) {
                match tuple.node_id {
                    Some(node) if self.of_all.is_empty() && !self.of_nodes.contains_key(&node) => {}
                    Some(node) => self.route(node, &Row::new(&tuple)?, &mut rows)?,
                    None => self.keep(tuple.peer_connection_id, Row::new(&tuple)?),
                }
            }
            for peer in peers {
                let Some(node) = peer.node_id else { continue };
                for row in self.unidentified.remove(&peer.id).unwrap_or_default() {
                    self.route(node, &row, &mut rows)?;
                }
            }
        }
        Ok(rows)
    }

    async fn learn_names(&mut self, envelopes: &[Envelope]) -> anyhow::Result<()> {
        let unknown: HashSet<i64> = envelopes
            .iter()
            .flat_map(|envelope| tuples(&envelope.rows).filter_map(Tuple::read))
            .filter_map(|tuple| tuple.node_id)
            .filter(|node| !self.names.contains_key(node))
            .collect();
        if !unknown.is_empty() {
            let unknown = Vec::from_iter(unknown);
            self.names.extend(self.past.names(&unknown).await?);
        }
        Ok(())
    }

    fn route(
        &self,
        node: i64,
        row: &Row,
        rows: &mut HashMap<Key, Vec<Encoded>>,
    ) -> anyhow::Result<()> {
        for key in self.of_nodes.get(&node).into_iter().flatten().chain(&self.of_all) {
            if key.msg != ALL && row.msg.as_ref() != Some(&key.msg) {
                continue;
            }
            let peer = if key.peer_id == ALL {
                self.names.get(&node).cloned().unwrap_or_default()
            } else {
                key.peer_id.clone()
            };
            let (id, at, msg) = (row.id, row.at, row.msg.clone());
            let encoded = Encoded::new(&Entry { id, at, peer, msg, logs: &row.logs })?;
            rows.entry(key.clone()).or_default().push(encoded);
        }
        Ok(())
    }

    /// Keeps a row until its node is known.
    fn keep(&mut self, connection: i64, row: Row) {
        if self.unidentified.values().map(Vec::len).sum::<usize>() < MOST_UNIDENTIFIED {
            self.unidentified.entry(connection).or_default().push(row);
        }
    }

    /// Appends these rows to the lists that are open, and keeps them for the others.
    async fn append(&mut self, rows: HashMap<Key, Vec<Encoded>>) -> anyhow::Result<Lead> {
        let mut chunks = Vec::new();
        for (key, mut rows) in rows {
            match self.lists.get_mut(&key) {
                Some(List::Open(seen)) => {
                    rows.retain(|row| seen.is_new(row.id));
                    if !rows.is_empty() {
                        chunks.push((key, chunk(&rows)));
                    }
                }
                Some(List::Loading(_, kept) | List::Waiting(_, kept)) => kept.append(&mut rows),
                None => {}
            }
        }
        Ok(self.cache.append(&chunks, self.expiry_s).await?)
    }

    /// Opens the lists that lack nothing any more.
    async fn open(&mut self) -> anyhow::Result<Lead> {
        for (key, list) in &mut self.lists {
            let List::Waiting(marks, rows) = list else { continue };
            let is_past = |(follower, mark): (&Follower, _)| follower.is_past(mark);
            if !self.followers.iter().zip(&*marks).all(is_past) {
                continue;
            }
            let rows = merged(rows.drain(..));
            if self.cache.open(key, &chunk(&rows)).await? == Lead::Lost {
                return Ok(Lead::Lost);
            }
            *list = List::Open(rows.iter().map(|row| row.id).collect());
        }
        Ok(Lead::Kept)
    }
}

impl Row {
    fn new(tuple: &Tuple<'_>) -> anyhow::Result<Self> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            id: tuple.id,
            at: tuple.created_at,
            msg: tuple.msg.map(text),
            logs: RawValue::from_string(text(tuple.logs))?,
        })
    }
}

/// The records of an envelope, of which each stands behind a comma.
fn records(peers: &[u8]) -> serde_json::Result<Vec<Peer>> {
    let records = peers.get(1..).unwrap_or_default();
    serde_json::from_slice(&[b"[", records, b"]"].concat())
}
