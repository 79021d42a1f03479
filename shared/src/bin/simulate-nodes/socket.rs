//! One socket and the nodes behind it, for as long as the simulation lasts.

use std::{convert::Infallible, io, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    select,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use shared::testing::Rng;

use crate::{
    endpoint::Endpoint,
    frame::Batch,
    node::{Node, Script},
    pace::Pace,
    slot::Scene,
    tally::Tally,
    template::Template,
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const RECONNECT_MILLIS: std::ops::Range<u64> = 10_000..19_000;
/// Enough for a system call to weigh little, and little enough to stay in the cache.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_MESSAGES: u64 = 256;

/// What all sockets have in common.
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    /// The peer id of each node, by its number.
    pub(crate) peers: Vec<String>,
    pub(crate) tally: Tally,
    /// Bounds the connections being opened, for the server's backlog is bounded, too.
    pub(crate) dials: Semaphore,
    pub(crate) time_scale: f64,
}

pub(crate) struct Socket {
    shared: Arc<Shared>,
    script: Arc<Script>,
    nodes: Vec<Node>,
    /// Whose turn it is to send.
    turn: usize,
    pace: Pace,
    rng: Rng,
    batch: Batch,
    /// Messages claimed from the pool and not yet composed.
    claimed: u64,
    was_connected: bool,
}

impl Socket {
    pub(crate) fn new(
        shared: Arc<Shared>,
        script: Arc<Script>,
        nodes: Vec<Node>,
        pace: Pace,
        rng: Rng,
    ) -> Self {
        // Every node shall be seen, however few messages there are: each may send `system.connected`.
        let claimed = shared.tally.reserve(nodes.len() as u64);
        Self {
            shared,
            script,
            nodes,
            turn: 0,
            pace,
            rng,
            batch: Batch::default(),
            claimed,
            was_connected: false,
        }
    }

    /// Connects and sends, again and again, until told to stop.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut stream = None;
        loop {
            select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.connection(&mut stream) => {}
            }
        }
        if let Some(stream) = &mut stream
            && let Err(error) = self.leave(stream).await
        {
            self.give_up(&error);
        }
    }

    /// One connection from dialling to the pause after its end.
    async fn connection(&mut self, stream: &mut Option<TcpStream>) {
        match self.dial().await {
            Ok(connected) => {
                let tally = &self.shared.tally;
                tally.open.fetch_add(1, Relaxed);
                tally.reconnects.fetch_add(u64::from(self.was_connected), Relaxed);
                self.was_connected = true;
                let Err(error) = self.send_forever(stream.insert(connected)).await;
                *stream = None;
                self.shared.tally.open.fetch_sub(1, Relaxed);
                self.give_up(&error);
            }
            Err(error) => {
                self.shared.tally.refused.fetch_add(1, Relaxed);
                self.give_up(&error);
            }
        }
        let pause = self.rng.millis(RECONNECT_MILLIS);
        sleep(pause.mul_f64(self.shared.time_scale)).await;
    }

    async fn dial(&mut self) -> io::Result<TcpStream> {
        let shared = Arc::clone(&self.shared);
        let mut stream = {
            let _permit = shared.dials.acquire().await.map_err(io::Error::other)?;
            timeout(HANDSHAKE_TIMEOUT, shared.endpoint.dial()).await??
        };
        sleep(self.pace.silence(&mut self.rng)).await;
        let upgrade = shared.endpoint.upgrade(&mut stream, &mut self.rng);
        timeout(HANDSHAKE_TIMEOUT, upgrade).await??;
        Ok(stream)
    }

    /// Like a real node, never reads.
    async fn send_forever(&mut self, stream: &mut TcpStream) -> io::Result<Infallible> {
        sleep(self.pace.silence(&mut self.rng)).await;
        for index in (0..self.nodes.len()).rev() {
            self.claim(1).await;
            stream.writable().await?;
            let (shared, script) = (Arc::clone(&self.shared), Arc::clone(&self.script));
            let connected = self.nodes[index].connect(&script);
            self.compose(index, connected, &Scene::now(&shared.peers));
            self.flush(stream).await?;
        }
        self.pace.restart();
        loop {
            let due = self.pace.due(&mut self.rng).await;
            let claimed = self.claim(due.min(BATCH_MESSAGES)).await;
            // Composed only when it can be written, so that its times are those of writing.
            stream.writable().await?;
            let sent = self.compose_turns(claimed);
            self.pace.sent(sent);
            self.flush(stream).await?;
        }
    }

    /// Waits until at least one message may be sent; returns how many, at most `wanted`.
    async fn claim(&mut self, wanted: u64) -> u64 {
        if self.claimed == 0 {
            self.claimed = self.shared.tally.claim(wanted).await;
        }
        self.claimed.min(wanted)
    }

    /// Fills the batch with up to `wanted` messages, the nodes taking turns; returns how many fitted.
    fn compose_turns(&mut self, wanted: u64) -> u64 {
        let shared = Arc::clone(&self.shared);
        let script = Arc::clone(&self.script);
        let scene = Scene::now(&shared.peers);
        let mut composed = 0;
        while composed < wanted && self.batch.len() < BATCH_BYTES {
            self.turn = (self.turn + 1) % self.nodes.len();
            let template = self.nodes[self.turn].next(&script);
            self.compose(self.turn, template, &scene);
            composed += 1;
        }
        composed
    }

    fn compose(&mut self, index: usize, template: &Template, scene: &Scene) {
        let key = self.rng.mask_key();
        let node = &mut self.nodes[index];
        self.batch.push(key, template.typical_len(), |out| {
            node.send(template, scene, out);
        });
        self.claimed -= 1;
    }

    /// Can be dropped and resumed at any time: the batch knows how far it has got.
    async fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while !self.batch.unwritten().is_empty() {
            let count = stream.write(self.batch.unwritten()).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.shared.tally.wrote(count, self.batch.advance(count));
        }
        self.batch.clear();
        Ok(())
    }

    /// Ends so that what was written arrives: to close with pings unread would reset the connection, and the
    /// kernel would drop what the server has not taken yet.
    async fn leave(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.flush(stream).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 512];
        while stream.read(&mut ignored).await? > 0 {}
        Ok(())
    }

    /// What was not written is lost, as in a real node, but others may send as many in its place.
    fn give_up(&mut self, error: &io::Error) {
        let tally = &self.shared.tally;
        let lost = self.batch.clear();
        tally.failed.fetch_add(lost, Relaxed);
        tally.release(lost + std::mem::take(&mut self.claimed));
        tally.note_failure(error.to_string());
    }
}
