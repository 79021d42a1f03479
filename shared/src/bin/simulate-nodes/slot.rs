//! What differs from message to message, and how it is written.

use std::time::{SystemTime, UNIX_EPOCH};

use shared::testing::Rng;

use crate::{
    digits::{decimal, hex, timestamp},
    node::Node,
};

const SECONDS_PER_BLOCK: u64 = 6;
const BLOCKS_TO_FINALITY: u64 = 3;
/// Block 0 of the simulated chain: 2026-01-01.
const GENESIS_SECONDS: u64 = 1_767_225_600;
/// Messages wait a moment inside a node, and overtake each other there.
const MAX_QUEUE_NANOS: u64 = 2_000_000;
const NEIGHBOURS: usize = 8;
const REPUTATIONS: [&str; 8] = ["0", "0", "0", "0", "120", "5000", "-2048", "-2147483648"];

#[derive(Clone, Copy)]
pub(crate) enum Slot {
    /// The node's number on its socket.
    EnvelopeId,
    Timestamp,
    /// Unique within the node, from 1.
    Sequence,
    /// When the message was handed to the socket, in microseconds since the epoch.
    SentMicros,
    Name,
    PeerId,
    Authority,
    StartupMillis,
    Height,
    BestHash,
    FinalizedHeight,
    FinalizedHash,
    /// The consensus slot in which the best block was made.
    AuthoredIn,
    /// A block header as Rust's `Debug` shows it.
    Header,
    RandomHash,
    RandomBelow(u64),
    /// Peer ids of neighbours and what the node thinks of them.
    Reputations,
    /// Addresses of some of them.
    Connections,
    Padding(usize),
}

/// What all nodes see: the time, the chain, each other.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    unix_nanos: u64,
    height: u64,
    /// The peer id of each simulated node, by its number.
    peers: &'a [String],
}

impl<'a> Scene<'a> {
    pub(crate) fn now(peers: &'a [String]) -> Self {
        Self::at(unix_nanos(), peers)
    }

    pub(crate) fn at(unix_nanos: u64, peers: &'a [String]) -> Self {
        let age = (unix_nanos / 1_000_000_000).saturating_sub(GENESIS_SECONDS);
        let height = age / SECONDS_PER_BLOCK + BLOCKS_TO_FINALITY;
        Self { unix_nanos, height, peers }
    }

    fn finalized(&self) -> u64 {
        self.height - BLOCKS_TO_FINALITY
    }

    fn neighbours(&self, node: &Node) -> impl Iterator<Item = &'a [u8]> {
        let others = self.peers.iter().cycle().skip(node.number + 1);
        others.take(NEIGHBOURS.min(self.peers.len() - 1)).map(String::as_bytes)
    }
}

pub(crate) fn unix_nanos() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
}

impl Slot {
    /// About how long the text comes out.
    pub(crate) fn typical_len(self) -> usize {
        match self {
            Self::EnvelopeId | Self::RandomBelow(_) => 4,
            Self::Authority => 5,
            Self::Sequence => 6,
            Self::Height | Self::FinalizedHeight => 7,
            Self::AuthoredIn => 9,
            Self::Name => 11,
            Self::StartupMillis => 13,
            Self::SentMicros => 16,
            Self::Timestamp => 33,
            Self::PeerId => 52,
            Self::BestHash | Self::FinalizedHash | Self::RandomHash => 66,
            Self::Header => 370,
            Self::Connections => 600,
            Self::Reputations => 750,
            Self::Padding(length) => length,
        }
    }

    pub(crate) fn write(self, node: &Node, scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
        match self {
            Self::EnvelopeId => decimal(node.envelope_id, out),
            Self::Timestamp => write_timestamp(node, scene, rng, out),
            Self::Sequence => decimal(node.sequence, out),
            Self::SentMicros => decimal(scene.unix_nanos / 1000, out),
            Self::Name => out.extend_from_slice(node.name().as_bytes()),
            Self::PeerId => out.extend_from_slice(scene.peers[node.number].as_bytes()),
            Self::Authority => out.extend_from_slice(node.is_authority().to_string().as_bytes()),
            Self::StartupMillis => decimal(node.startup_millis, out),
            Self::Height => decimal(scene.height, out),
            Self::BestHash => write_block_hash(scene.height, out),
            Self::FinalizedHeight => decimal(scene.finalized(), out),
            Self::FinalizedHash => write_block_hash(scene.finalized(), out),
            Self::AuthoredIn => {
                decimal(GENESIS_SECONDS / SECONDS_PER_BLOCK + scene.height, out);
            }
            Self::Header => write_header(scene, rng, out),
            Self::RandomHash => write_hash(rng, out),
            Self::RandomBelow(bound) => decimal(rng.below(bound), out),
            Self::Reputations => write_reputations(node, scene, rng, out),
            Self::Connections => write_connections(node, scene, rng, out),
            Self::Padding(length) => write_padding(length, rng, out),
        }
    }
}

/// Nodes stamp in local time; how many digits depends on the clock and the encoder.
fn write_timestamp(node: &Node, scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
    let queued = rng.below(MAX_QUEUE_NANOS);
    let fraction = rng.pick(&[9, 9, 9, 9, 9, 6, 3, 0]);
    let stamped = scene.unix_nanos.saturating_sub(queued);
    timestamp(stamped, node.utc_offset_minutes, fraction, out);
}

/// The same for every node: they follow one chain.
fn write_block_hash(height: u64, out: &mut Vec<u8>) {
    write_hash(&mut Rng::new(0, height), out);
}

fn write_hash(rng: &mut Rng, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0x");
    for _ in 0..4 {
        hex(rng.bits(), out);
    }
}

fn write_header(scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Header { parent_hash: ");
    write_block_hash(scene.height - 1, out);
    out.extend_from_slice(b", number: ");
    decimal(scene.height, out);
    out.extend_from_slice(b", state_root: ");
    write_hash(rng, out);
    out.extend_from_slice(b", extrinsics_root: ");
    write_hash(rng, out);
    out.extend_from_slice(
        b", digest: Digest { logs: [DigestItem::PreRuntime([97, 117, 114, 97], [1, 7, 0, 0, 0])] } }",
    );
}

fn write_reputations(node: &Node, scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
    write_object(scene.neighbours(node), out, |out| {
        out.extend_from_slice(b"{\"connected\":");
        out.extend_from_slice(rng.pick(&["true", "true", "true", "false"]).as_bytes());
        out.extend_from_slice(b",\"reputation\":");
        out.extend_from_slice(rng.pick(&REPUTATIONS).as_bytes());
        out.push(b'}');
    });
}

fn write_connections(node: &Node, scene: &Scene, rng: &mut Rng, out: &mut Vec<u8>) {
    write_object(scene.neighbours(node).take(3), out, |out| {
        out.extend_from_slice(
            b"{\"enabled\":true,\"open\":true,\"endpoint\":{\"dialing\":\"/ip4/10.0.0.",
        );
        decimal(rng.below(256), out);
        out.extend_from_slice(b"/tcp/30333\"},\"latestPingTime\":{\"secs\":0,\"nanos\":");
        decimal(rng.below(1_000_000_000), out);
        out.extend_from_slice(b"},\"versionString\":\"Tetcore Node/v2.1.0\"}");
    });
}

fn write_object<'a>(
    keys: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
    mut write_value: impl FnMut(&mut Vec<u8>),
) {
    out.push(b'{');
    for (index, key) in keys.enumerate() {
        let separator: &[u8] = if index == 0 { b"\"" } else { b",\"" };
        out.extend_from_slice(separator);
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        write_value(out);
    }
    out.push(b'}');
}

/// Hex digits that differ, so that no compression on the way flatters a run with large messages.
fn write_padding(length: usize, rng: &mut Rng, out: &mut Vec<u8>) {
    let end = out.len() + length;
    while out.len() < end {
        hex(rng.bits(), out);
    }
    out.truncate(end);
}
