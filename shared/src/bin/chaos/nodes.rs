//! Nodes that send, and come back when their connection ends; and what they know of what they sent.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use shared::testing::{Node, Rng, masked};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

/// Nodes, which send so many messages at once, so often.
pub(crate) const NODES: u64 = 40;
const BURST: u64 = 5;
const PACE: Duration = Duration::from_millis(200);
/// Before a node comes back.
const RECONNECT_MS: std::ops::Range<u64> = 50..1000;
/// How long a node waits for a connection.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A ws-ingest to which nodes may go.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) instance: usize,
    pub(crate) address: String,
    /// Messages that nodes began to write to it.
    pub(crate) sent: Arc<AtomicU64>,
}

/// Messages of a node over one connection, by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) instance: usize,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Whether the connection is still open when all have sent.
    pub(crate) is_open: bool,
}

/// All nodes.
pub(crate) struct Nodes {
    running: JoinSet<(u64, Vec<Stretch>, Option<Node>)>,
    targets: Arc<Mutex<Vec<Target>>>,
    /// Every third node cuts its connection, another third each time.
    cuts: watch::Sender<u64>,
    stop: watch::Sender<bool>,
}

impl Nodes {
    /// Starts them.
    pub(crate) fn start(seed: u64, targets: Vec<Target>) -> Self {
        let targets = Arc::new(Mutex::new(targets));
        let (cuts, stop) = (watch::Sender::new(0), watch::Sender::new(false));
        let mut running = JoinSet::new();
        for number in 0..NODES {
            let node = Sending {
                number,
                next: 0,
                rng: Rng::new(seed, number + 1),
                targets: Arc::clone(&targets),
                cuts: cuts.subscribe(),
                stop: stop.subscribe(),
            };
            running.spawn(node.run());
        }
        Self { running, targets, cuts, stop }
    }

    /// Where they go from now on.
    pub(crate) fn send_to(&self, targets: Vec<Target>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// Cuts the connections of a third of them.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Has them stop: what each sent, and the connections that are still open.
    pub(crate) async fn stop(self) -> anyhow::Result<(Vec<Vec<Stretch>>, Vec<Node>)> {
        self.stop.send_replace(true);
        let mut sent = vec![Vec::new(); usize::try_from(NODES)?];
        let mut open = Vec::new();
        let mut running = self.running;
        while let Some(ended) = running.join_next().await {
            let (number, stretches, node) = ended?;
            sent[usize::try_from(number)?] = stretches;
            open.extend(node);
        }
        Ok((sent, open))
    }
}

/// One node.
struct Sending {
    number: u64,
    /// The number of its next message.
    next: u64,
    rng: Rng,
    targets: Arc<Mutex<Vec<Target>>>,
    cuts: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
}

impl Sending {
    async fn run(mut self) -> (u64, Vec<Stretch>, Option<Node>) {
        let mut stretches = Vec::new();
        loop {
            if *self.stop.borrow() {
                return (self.number, stretches, None);
            }
            let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let target =
                &targets[usize::try_from(self.rng.below(targets.len() as u64)).unwrap_or(0)];
            if let Ok(Some(node)) = timeout(HANDSHAKE, connect(&target.address)).await {
                let first = self.next;
                let node = self.send(node, target).await;
                let (instance, end, is_open) = (target.instance, self.next, node.is_some());
                stretches.push(Stretch { instance, first, end, is_open });
                if is_open {
                    return (self.number, stretches, node);
                }
            }
            sleep(self.rng.millis(RECONNECT_MS)).await;
        }
    }

    /// Sends until it shall stop, or the connection ends; the connection, if it is open.
    async fn send(&mut self, mut node: Node, target: &Target) -> Option<Node> {
        let mut pace = interval(PACE);
        self.cuts.borrow_and_update();
        let mut messages = vec![format!(
            r#""msg":"system.connected","network_id":"peer{0}","name":"node{0}""#,
            self.number
        )];
        loop {
            messages.resize_with(usize::try_from(BURST).unwrap_or(1), || r#""msg":"a""#.to_owned());
            let count = messages.len() as u64;
            let burst = messages.drain(..).zip(self.next..).flat_map(|(message, number)| {
                let message = format!(r#"{{{message},"key":"{}-{number}"}}"#, self.number);
                masked(true, 2, message.as_bytes())
            });
            let burst: Vec<u8> = burst.collect();
            // Whatever comes of it, they may have been read.
            self.next += count;
            target.sent.fetch_add(count, Relaxed);
            tokio::select! {
                is_written = node.try_raw(&burst) => if !is_written { return None },
                () = cut(&mut self.cuts, self.number) => return None,
            }
            tokio::select! {
                _ = pace.tick() => {}
                () = cut(&mut self.cuts, self.number) => return None,
                _ = self.stop.wait_for(|stop| *stop) => return Some(node),
            }
        }
    }
}

/// Resolves when this node's connection shall be cut.
async fn cut(cuts: &mut watch::Receiver<u64>, number: u64) {
    while cuts.changed().await.is_ok() {
        if *cuts.borrow_and_update() % 3 == number % 3 {
            return;
        }
    }
    std::future::pending::<()>().await;
}

async fn connect(address: &str) -> Option<Node> {
    let stream = TcpStream::connect(address).await.ok()?;
    Node::shake_hands(stream, address, "/", "").await.ok()
}
