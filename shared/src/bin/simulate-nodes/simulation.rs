//! A fleet of sockets from start to end.

use std::{
    future::pending,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use shared::testing::Rng;

use crate::{
    node::{Dialect, Node, Script, peer_id},
    options::Options,
    pace::Pace,
    slot::unix_nanos,
    socket::{Shared, Socket},
    summary::Summary,
    tally::Tally,
};

const CONCURRENT_DIALS: usize = 256;
/// How long a server may take at the end to read what is still on its way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The nodes of one socket, by their numbers.
#[derive(Debug, PartialEq)]
struct Group {
    dialect: Dialect,
    nodes: Vec<usize>,
}

/// Runs until all messages are sent, the time is over, or the process is told to stop.
pub(crate) async fn run(options: &Options) -> io::Result<Summary> {
    let mut signals = Signals::new()?;
    let groups = groups(options);
    let shared = Arc::new(share(options, &groups));
    let (stop, stopped) = watch::channel(false);
    let started = Instant::now();

    let mut sockets = JoinSet::new();
    for socket in fleet(options, &groups, &shared) {
        sockets.spawn(socket.run(stopped.clone()));
    }
    let work = async {
        select! {
            () = shared.tally.finished() => {}
            () = duration(options.duration) => {}
            () = signals.next() => {}
        }
    };
    select! {
        () = work => {}
        () = report_progress(&shared.tally, started), if !options.quiet => {}
    }
    let sent_all = Instant::now();

    stop.send_replace(true);
    let draining = async { while sockets.join_next().await.is_some() {} };
    select! {
        () = draining => {}
        () = sleep(DRAIN_TIMEOUT) => {}
        () = signals.next() => {}
    }
    Ok(Summary::new(
        &shared.tally,
        groups.len(),
        options.messages,
        sent_all.duration_since(started),
        sent_all.elapsed(),
    ))
}

/// Old nodes are spread evenly among the others, and have a socket each: their messages have no `id`.
fn groups(options: &Options) -> Vec<Group> {
    let old_nodes_up_to = |count: u32| u64::from(count) * u64::from(options.v1_percent) / 100;
    let is_old = |number: &u32| old_nodes_up_to(number + 1) > old_nodes_up_to(*number);
    let (old, new): (Vec<u32>, Vec<u32>) = (0..options.nodes).partition(is_old);

    let flat = old.chunks(1).map(|nodes| (Dialect::Flat, nodes));
    let enveloped = new.chunks(options.nodes_per_socket as usize);
    let enveloped = enveloped.enumerate().map(|(socket, nodes)| match socket % 3 {
        2 => (Dialect::Inserted, nodes),
        _ => (Dialect::Sorted, nodes),
    });
    flat.chain(enveloped)
        .map(|(dialect, nodes)| Group {
            dialect,
            nodes: nodes.iter().map(|number| *number as usize).collect(),
        })
        .collect()
}

fn share(options: &Options, groups: &[Group]) -> Shared {
    let mut peers = vec![String::new(); options.nodes as usize];
    for Group { dialect, nodes } in groups {
        for &number in nodes {
            peers[number] = peer_id(options.seed, number, *dialect);
        }
    }
    Shared {
        endpoint: options.url.clone(),
        peers,
        tally: Tally::new(options.messages, groups.len() as u64),
        dials: Semaphore::new(CONCURRENT_DIALS),
        time_scale: options.time_scale,
    }
}

fn fleet(options: &Options, groups: &[Group], shared: &Arc<Shared>) -> Vec<Socket> {
    let script = |dialect| Arc::new(Script::new(dialect, options.stamp, options.payload_bytes));
    let flat = script(Dialect::Flat);
    let sorted = script(Dialect::Sorted);
    let inserted = script(Dialect::Inserted);
    let now_millis = unix_nanos() / 1_000_000;

    let socket = |(index, Group { dialect, nodes }): (u32, &Group)| {
        let script = match dialect {
            Dialect::Flat => &flat,
            Dialect::Sorted => &sorted,
            Dialect::Inserted => &inserted,
        };
        let node = |(position, number): (usize, &usize)| {
            Node::new(*number, position, *dialect, options.seed, now_millis)
        };
        let pace = Pace::new(options.speed(), index, groups.len(), nodes.len());
        Socket::new(
            Arc::clone(shared),
            Arc::clone(script),
            nodes.iter().enumerate().map(node).collect(),
            pace,
            Rng::new(!options.seed, u64::from(index)),
        )
    };
    (0..).zip(groups).map(socket).collect()
}

async fn duration(seconds: Option<f64>) {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs_f64(seconds)).await,
        None => pending().await,
    }
}

async fn report_progress(tally: &Tally, started: Instant) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    let mut before = (started, 0);
    loop {
        let now = seconds.tick().await;
        let sent = tally.sent.load(Relaxed);
        #[allow(clippy::cast_precision_loss)] // a figure to look at
        let rate = (sent - before.1) as f64 / (now - before.0).as_secs_f64();
        before = (now, sent);
        let failure = tally.take_failure().map(|failure| format!(" ({failure})"));
        eprintln!(
            "{:.0} s: {sent} sent, {rate:.0}/s, {} sockets open, {} reconnects, {} refused{}",
            (now - started).as_secs_f64(),
            tally.open.load(Relaxed),
            tally.reconnects.load(Relaxed),
            tally.refused.load(Relaxed),
            failure.unwrap_or_default(),
        );
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
