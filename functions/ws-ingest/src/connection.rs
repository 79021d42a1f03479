//! One node's socket, from the handshake to its end.
//!
//! A real node never reads after the handshake: no pong comes, no Close is answered, and what is
//! written to it may stay in the kernel for ever. So any byte is a sign of life, and nothing here
//! waits for a write.

use std::{cell::RefCell, io, time::Duration};

use bytes::{Buf as _, BytesMut};
use shared::{
    message,
    row::SAMPLE_BYTES,
    ws::{self, CloseCode, Decoder, Event, Violation},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    admission::Admitted,
    buffer::{Buffer, Room},
    clock,
    context::Context,
    nodes::Nodes,
};

/// A thread reads into this many bytes, whichever connection it serves.
const SCRATCH: usize = 64 << 10;
/// A message that does not fit the scratch buffer is read in steps of this size, however large
/// its header says it is.
const STEP: usize = 64 << 10;
/// How long a client may take for its first byte after the handshake; real nodes take up to 5 s.
const FIRST_BYTE: Duration = Duration::from_secs(20);
/// After a Close, this long and this much is read and thrown away, so that the kernel does not
/// destroy the Close with a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 << 20;
/// The average in MAX_BYTES_PER_SECOND is over this many seconds.
const RATE_WINDOW_S: u64 = 10;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Why a connection ended.
enum End {
    /// The client closed, or its socket broke.
    Client(&'static str),
    /// We close, and say so.
    Server(CloseCode, &'static str),
}

struct Connection<'a> {
    context: &'a Context,
    stream: TcpStream,
    decoder: Decoder,
    /// The beginning of a frame whose end has not come.
    partial: BytesMut,
    held: usize,
    /// Control frames that the socket did not take.
    unsent: Vec<u8>,
    nodes: Nodes,
    allowance: Allowance,
    last_byte: Instant,
    timeout: Duration,
}

/// Serves `stream`, of which hyper had read `early` already, until it ends.
pub async fn serve(
    context: &Context,
    stream: TcpStream,
    early: &[u8],
    mut admitted: Admitted,
    audit: bool,
    lane: usize,
) {
    context.metrics.connections.inc();
    context.metrics.connections_opened.inc();
    let mut connection = Connection {
        context,
        stream,
        decoder: Decoder::new(context.most_payload, SAMPLE_BYTES),
        partial: BytesMut::from(early),
        held: 0,
        unsent: Vec::new(),
        nodes: Nodes::new(admitted.ip.to_string(), audit, lane),
        allowance: Allowance::new(context.bytes_per_second),
        last_byte: Instant::now(),
        timeout: FIRST_BYTE.max(context.patience),
    };
    let end = connection.converse(&mut admitted.ending).await;
    connection.nodes.report(context, clock::now_us(), true);
    context.buffer.hold(connection.held, 0);
    let reason = match &end {
        End::Client(reason) | End::Server(_, reason) => *reason,
    };
    context.metrics.connections.dec();
    context.metrics.connections_closed.with_label_values(&[reason]).inc();
    if let End::Server(code, reason) = end {
        connection.close(code, reason).await;
    }
}

impl Connection<'_> {
    async fn converse(&mut self, ending: &mut tokio::sync::oneshot::Receiver<()>) -> End {
        // What came with the handshake.
        if let Err(end) = self.take_partial(clock::now_us()) {
            return end;
        }
        let mut tick = std::pin::pin!(sleep_until(self.next_tick()));
        loop {
            // The order matters: the end is not put off by a socket that always has something;
            // and the clock, which is, is looked at after each read.
            tokio::select! {
                biased;
                _ = &mut *ending => return End::Server(CloseCode::Away, "shutdown"),
                room = ready(&self.context.buffer, &self.stream) => {
                    let received_at = clock::now_us();
                    match room.and_then(|()| self.read(received_at)) {
                        Ok(()) if tick.deadline() > self.last_byte => continue,
                        Ok(()) => {}
                        Err(end) => return end,
                    }
                }
                () = &mut tick => {}
            }
            if self.context.buffer.is_full() {
                // The silence is ours.
                self.last_byte = Instant::now();
            }
            if self.last_byte.elapsed() >= self.timeout {
                return End::Server(CloseCode::Away, "timeout");
            }
            self.nodes.report(self.context, clock::now_us(), false);
            if let Err(end) = self.ping() {
                return end;
            }
            tick.as_mut().reset(self.next_tick());
        }
    }

    /// The next heartbeat, or the moment at which silence has lasted too long.
    fn next_tick(&self) -> Instant {
        (Instant::now() + self.context.heartbeat).min(self.last_byte + self.timeout)
    }

    /// Reads once, and stores what is complete. Nothing here waits, so that a buffer of the
    /// thread's can serve.
    fn read(&mut self, received_at: i64) -> Result<(), End> {
        let count = if self.partial.len() + STEP / 2 <= SCRATCH {
            READ.with_borrow_mut(|scratch| {
                let old = self.partial.len();
                let read = self.stream.try_read(&mut scratch[old..]);
                if let Ok(count @ 1..) = read {
                    scratch[..old].copy_from_slice(&self.partial);
                    self.partial.clear();
                    let bytes = &mut scratch[..old + count];
                    let taken = self.take(bytes, received_at)?;
                    self.keep(&bytes[taken..]);
                }
                Ok(read)
            })?
        } else {
            self.partial.reserve(STEP);
            let read = self.stream.try_read_buf(&mut self.partial);
            if let Ok(1..) = read {
                self.take_partial(received_at)?;
            }
            read
        };
        match count {
            Ok(0) => Err(End::Client("eof")),
            Ok(count) => {
                self.last_byte = Instant::now();
                self.timeout = self.context.patience;
                self.account(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::Client("reset")),
        }
    }

    /// Stores every complete message in `bytes`: how many bytes that took.
    fn take(&mut self, bytes: &mut [u8], received_at: i64) -> Result<usize, End> {
        let mut at = 0;
        loop {
            match self.decoder.decode(&mut bytes[at..]) {
                Ok(None) => return Ok(at),
                Ok(Some((taken, event))) => {
                    match event {
                        Event::Message(message) => {
                            receive(self.context, &mut self.nodes, message, received_at);
                        }
                        Event::Ping(payload) => ws::pong(&mut self.unsent, payload),
                        Event::Close => return Err(End::Server(CloseCode::Normal, "client_close")),
                        Event::Other => {}
                    }
                    at += taken;
                }
                Err(Violation::TooLarge { size, sample }) => {
                    self.nodes.reject(self.context, "too_large", received_at, size, &sample);
                    self.context.metrics.received.inc();
                    return Err(End::Server(CloseCode::Size, "too_large"));
                }
                Err(Violation::Protocol(why)) => {
                    tracing::debug!(why, "protocol violated");
                    return Err(End::Server(CloseCode::Protocol, "protocol"));
                }
            }
        }
    }

    fn take_partial(&mut self, received_at: i64) -> Result<(), End> {
        let mut partial = std::mem::take(&mut self.partial);
        let taken = self.take(&mut partial, received_at)?;
        partial.advance(taken);
        if partial.len() > SCRATCH / 2 {
            self.partial = partial;
        } else {
            self.keep(&partial);
        }
        Ok(())
    }

    /// Keeps the beginning of a frame, in no more memory than it needs.
    fn keep(&mut self, rest: &[u8]) {
        self.partial = BytesMut::from(rest);
    }

    /// Accounts for `count` bytes that were read, and for what is held of unfinished messages.
    fn account(&mut self, count: usize) -> Result<(), End> {
        self.context.metrics.received_bytes.inc_by(count as u64);
        let held = self.partial.capacity() + self.decoder.held_bytes();
        let fits = self.context.buffer.hold(self.held, held);
        self.held = held;
        if !fits {
            return Err(End::Server(CloseCode::Again, "unfinished_messages"));
        }
        if !self.allowance.take(count, self.last_byte) {
            return Err(End::Server(CloseCode::Policy, "max_bytes_per_second"));
        }
        if self.unsent.is_empty() { Ok(()) } else { self.send() }
    }

    fn ping(&mut self) -> Result<(), End> {
        // A client that never reads has a full socket one day: no use in queueing more.
        if self.unsent.is_empty() {
            ws::ping(&mut self.unsent);
        }
        self.send()
    }

    /// Writes what the socket takes at once.
    fn send(&mut self) -> Result<(), End> {
        /// What a client may leave unread beyond what the kernel holds.
        const MOST_UNSENT: usize = 1024;
        match self.stream.try_write(&self.unsent) {
            Ok(count) => {
                self.unsent.drain(..count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(End::Client("reset")),
        }
        if self.unsent.len() > MOST_UNSENT {
            return Err(End::Client("pongs_unread"));
        }
        Ok(())
    }

    /// Says why, and lets the client read it. What it still sends is not taken any more.
    async fn close(mut self, code: CloseCode, reason: &str) {
        ws::close(&mut self.unsent, code, reason);
        let _ = self.stream.try_write(&self.unsent);
        let _ = self.stream.shutdown().await;
        let discard = async {
            let mut left = LINGER_BYTES;
            while left > 0 && self.stream.readable().await.is_ok() {
                let read = READ.with_borrow_mut(|scratch| self.stream.try_read(scratch));
                match read {
                    Ok(0) => break,
                    Ok(count) => left = left.saturating_sub(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
        };
        let _ = timeout(LINGER, discard).await;
    }
}

/// Waits until there is something to read, and room for it.
async fn ready(buffer: &Buffer, stream: &TcpStream) -> Result<(), End> {
    stream.readable().await.map_err(|_| End::Client("reset"))?;
    match buffer.room().await {
        // A stalled buffer drops and counts; the socket is read all the same, since a node whose
        // socket stalls loses its telemetry to others, too.
        Room::Free | Room::Stalled => Ok(()),
    }
}

/// Stores one message, or counts it with its reason.
fn receive(context: &Context, nodes: &mut Nodes, bytes: &mut [u8], received_at: i64) {
    let size = bytes.len();
    match message::parse(bytes) {
        Ok(message) => nodes.store(context, &message, received_at, size),
        Err(reason) => nodes.reject(context, &reason.to_string(), received_at, size, bytes),
    }
    // Last, so that whoever sees that it was received sees what became of it.
    context.metrics.received.inc();
}

/// How much a client may still send: MAX_BYTES_PER_SECOND on average, ten times as much at once.
struct Allowance {
    per_second: u64,
    bytes: u64,
    at: Instant,
}

impl Allowance {
    fn new(per_second: u64) -> Self {
        Self { per_second, bytes: per_second.saturating_mul(RATE_WINDOW_S), at: Instant::now() }
    }

    fn take(&mut self, count: usize, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let elapsed = u64::try_from((now - self.at).as_millis()).unwrap_or(u64::MAX);
        let earned = self.per_second.saturating_mul(elapsed) / 1000;
        if earned > 0 {
            self.at = now;
        }
        let most = self.per_second.saturating_mul(RATE_WINDOW_S);
        let available = self.bytes.saturating_add(earned).min(most);
        let rest = available.checked_sub(count as u64);
        self.bytes = rest.unwrap_or(0);
        rest.is_some()
    }
}
