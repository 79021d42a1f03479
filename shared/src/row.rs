//! What is stored, in the form in which PostgreSQL takes it: rows of `log_rows` and
//! `ingest_rejects` as tuples of the binary COPY format, peers as JSON records.
//!
//! Rows are encoded once, at the edge, so that batch-flush only copies bytes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::message::{Identity, Logs};

/// The columns of `log_rows` that a [`Log`] fills, in its order.
pub const LOG_COLUMNS: &str = "id, created_at, peer_connection_id, node_id, audit, msg, logs";
/// The columns of `ingest_rejects` that a [`Rejected`] fills, in its order.
pub const REJECT_COLUMNS: &str =
    "created_at, reason, ip_addr, peer_connection_id, stored, size, sample";
/// The columns of `log_count_notes` that a [`CountNote`] fills, in its order.
pub const COUNT_NOTE_COLUMNS: &str = "shard, audit, hour, node_ids, msgs, quantities";
/// How many shards `log_count_notes` has.
pub const COUNT_SHARDS: i16 = 64;
/// How much of a message that cannot be stored is kept, in bytes.
pub const SAMPLE_BYTES: usize = 4096;
/// What stands before the tuples of a binary COPY: signature, flags, no header extension.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands behind them.
pub const COPY_TRAILER: &[u8] = &[0xff, 0xff];

/// PostgreSQL counts its microseconds from 2000-01-01.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// The first byte of a binary `jsonb`: its version.
const JSONB_VERSION: u8 = 1;
const HOUR_US: i64 = 3_600_000_000;
/// Where the `id` stands in a [`Log`]'s tuple: behind the number of fields and its own length.
const ID: std::ops::Range<usize> = 6..14;
/// How much of a message's type is counted by, in characters.
const COUNTED_MSG: usize = 256;
/// The types of PostgreSQL's arrays' elements.
const INT4: u32 = 23;
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// A row of `log_rows`, a message of `tetcore_logs`.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// Microseconds since 1970.
    pub created_at: i64,
    /// The connection's row in `peer_connections`.
    pub peer_connection_id: i64,
    /// The node, once it is known: see [`node_id`].
    pub node_id: Option<i64>,
    /// Whether the message is kept for ever.
    pub audit: bool,
    /// The message's type.
    pub msg: Option<&'a str>,
    /// The message.
    pub logs: Logs<'a>,
}

impl Log<'_> {
    /// Appends the row as a COPY tuple, whose `id` is still to be set: see [`number`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&7_u16.to_be_bytes());
        field(out, &[0; 8]);
        timestamp(out, self.created_at);
        field(out, &self.peer_connection_id.to_be_bytes());
        optional(out, self.node_id.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        field(out, &[u8::from(self.audit)]);
        optional(out, self.msg.map(str::as_bytes));
        length(out, self.logs.len() + 1);
        out.push(JSONB_VERSION);
        self.logs.write(out);
    }
}

/// What is read of a [`Log`]'s tuple when it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    /// Greater than those of all rows that the same connection sent before.
    pub id: i64,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// The connection's row in `peer_connections`.
    pub peer_connection_id: i64,
    /// The node, where it was known.
    pub node_id: Option<i64>,
    /// Whether the message is kept for ever.
    pub audit: bool,
    /// The message's type.
    pub msg: Option<&'a [u8]>,
    /// The message's JSON text.
    pub logs: &'a [u8],
}

impl<'a> Tuple<'a> {
    /// Reads a tuple that [`Log::encode`] made; nothing from any other.
    #[must_use]
    pub fn read(tuple: &'a [u8]) -> Option<Self> {
        let mut fields = fields(tuple);
        let id = i64::from_be_bytes(fields.next()??.try_into().ok()?);
        let created_at = read_timestamp(fields.next()??)?;
        let peer_connection_id = i64::from_be_bytes(fields.next()??.try_into().ok()?);
        let node_id = match fields.next()? {
            Some(key) => Some(i64::from_be_bytes(key.try_into().ok()?)),
            None => None,
        };
        let audit = fields.next()?? != [0];
        let msg = fields.next()?;
        let logs = fields.next()??.get(1..)?;
        Some(Self { id, created_at, peer_connection_id, node_id, audit, msg, logs })
    }

    /// The beginning of the hour that it was created in, in microseconds since 1970.
    #[must_use]
    pub fn hour(&self) -> i64 {
        self.created_at - self.created_at.rem_euclid(HOUR_US)
    }

    /// What its type is counted as: the first 256 characters.
    #[must_use]
    pub fn counted_msg(&self) -> Option<&'a [u8]> {
        let msg = self.msg?;
        if msg.len() <= COUNTED_MSG {
            return Some(msg);
        }
        let starts = |(_, byte): &(usize, &u8)| **byte & 0xc0 != 0x80;
        let end = msg.iter().enumerate().filter(starts).nth(COUNTED_MSG);
        Some(end.map_or(msg, |(end, _)| &msg[..end]))
    }
}

/// A row of `log_count_notes`: how many messages came, of whom and of which type.
#[derive(Clone, Copy, Debug)]
pub struct CountNote<'a> {
    /// [`count_shard`] of each node.
    pub shard: i16,
    /// Whether these messages are kept for ever.
    pub audit: bool,
    /// The hour that they were created in: see [`Tuple::hour`].
    pub hour: i64,
    /// Nodes, types and numbers of messages.
    pub counts: &'a [(i64, Option<&'a [u8]>, i32)],
}

impl CountNote<'_> {
    /// Appends the row as a COPY tuple.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&6_u16.to_be_bytes());
        field(out, &self.shard.to_be_bytes());
        field(out, &[u8::from(self.audit)]);
        timestamp(out, self.hour);
        array(out, INT8, self.counts, |out, (node, ..)| field(out, &node.to_be_bytes()));
        array(out, TEXT, self.counts, |out, (_, msg, _)| optional(out, *msg));
        array(out, INT4, self.counts, |out, (.., quantity)| field(out, &quantity.to_be_bytes()));
    }
}

/// A row of `ingest_rejects`: a message that was not stored as it came, and why.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// Time of receipt, microseconds since 1970.
    pub created_at: i64,
    /// One word, as in the metrics' label.
    pub reason: &'a str,
    /// Who sent it.
    pub ip_addr: &'a str,
    /// The connection's row in `peer_connections`, where it has one.
    pub peer_connection_id: Option<i64>,
    /// Whether it was repaired, and is in `tetcore_logs` as well.
    pub stored: bool,
    /// Its size in bytes, as far as it is known.
    pub size: usize,
    /// The message; its first [`SAMPLE_BYTES`] are kept.
    pub sample: &'a [u8],
}

impl Rejected<'_> {
    /// Appends the row as a COPY tuple.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&7_u16.to_be_bytes());
        timestamp(out, self.created_at);
        field(out, self.reason.as_bytes());
        field(out, self.ip_addr.as_bytes());
        let peer = self.peer_connection_id.map(i64::to_be_bytes);
        optional(out, peer.as_ref().map(<[u8; 8]>::as_slice));
        field(out, &[u8::from(self.stored)]);
        field(out, &i32::try_from(self.size).unwrap_or(i32::MAX).to_be_bytes());
        field(out, &self.sample[..self.sample.len().min(SAMPLE_BYTES)]);
    }
}

/// A row of `peer_connections`: what is known of a node's connection at one moment. A later
/// record of the same `id` replaces an earlier one.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Made by ws-ingest, unique for ever.
    pub id: i64,
    /// The client's address.
    pub ip_addr: String,
    /// When the connection was opened.
    pub created_at: DateTime<Utc>,
    /// Whether what it sends is kept for ever.
    pub audit: bool,
    /// The server's time of this record.
    pub last_seen: DateTime<Utc>,
    /// The greatest `created_at` of its rows.
    pub newest_log_at: Option<DateTime<Utc>>,
    /// Rows of it may be on their way, or stored, without a `node_id`.
    pub has_unclaimed_rows: bool,
    /// The node: see [`node_id`].
    pub node_id: Option<i64>,
    /// What it says of itself.
    #[serde(flatten)]
    pub identity: Option<Identity>,
}

impl Peer {
    /// A connection of which nothing else is known yet.
    #[must_use]
    pub fn new(id: i64, ip_addr: String, audit: bool, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            ip_addr,
            created_at,
            audit,
            last_seen: created_at,
            newest_log_at: None,
            has_unclaimed_rows: false,
            node_id: None,
            identity: None,
        }
    }

    /// Takes over what a message says of the node; what it leaves out stays as it was.
    pub fn identify(&mut self, identity: Identity) {
        self.node_id = Some(node_id(&identity.peer_id));
        self.identity = Some(match self.identity.take() {
            Some(known) => identity.completed_by(known),
            None => identity,
        });
    }
}

/// The key of a node for ever: the first eight bytes of its peer id's SHA-256, as a signed
/// big-endian number. The database has a function of the same name and result.
#[must_use]
pub fn node_id(peer_id: &str) -> i64 {
    let digest = Sha256::digest(peer_id.as_bytes());
    digest.iter().take(8).fold(0, |key: i64, byte| key << 8 | i64::from(*byte))
}

/// Which shard of `log_count_notes` a node is counted in. The database has a function
/// `log_count_shard` of the same result.
#[must_use]
pub fn count_shard(node_id: i64) -> i16 {
    i16::from(node_id.to_be_bytes()[7]) % COUNT_SHARDS
}

/// The single tuples of concatenated ones; ends early where the bytes do not add up.
pub fn tuples(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (tuple, rest) = bytes.split_at_checked(tuple_length(bytes)?)?;
        bytes = rest;
        Some(tuple)
    })
}

/// Gives the rows in concatenated tuples of [`Log::encode`] the ids from `first` on.
pub fn number(mut tuples: &mut [u8], first: i64) {
    for id in first.. {
        let Some((tuple, rest)) =
            tuple_length(tuples).and_then(|length| tuples.split_at_mut_checked(length))
        else {
            return;
        };
        if let Some(place) = tuple.get_mut(ID) {
            place.copy_from_slice(&id.to_be_bytes());
        }
        tuples = rest;
    }
}

/// The length of the first tuple.
fn tuple_length(bytes: &[u8]) -> Option<usize> {
    let fields = u16::from_be_bytes(*bytes.first_chunk()?);
    let mut end = 2;
    for _ in 0..fields {
        let length = i32::from_be_bytes(*bytes.get(end..)?.first_chunk()?);
        end += 4 + usize::try_from(length).unwrap_or(0);
    }
    Some(end)
}

/// The fields of one tuple, as [`tuples`] yields it.
fn fields(tuple: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = tuple.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = i32::from_be_bytes(*rest.first_chunk()?);
        rest = rest.get(4..)?;
        let Ok(length) = usize::try_from(length) else {
            return Some(None);
        };
        let (value, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(Some(value))
    })
}

/// The time in a tuple's timestamp field, in microseconds since 1970.
fn read_timestamp(field: &[u8]) -> Option<i64> {
    i64::from_be_bytes(field.try_into().ok()?).checked_add(POSTGRES_EPOCH_US)
}

fn timestamp(out: &mut Vec<u8>, unix_us: i64) {
    field(out, &(unix_us - POSTGRES_EPOCH_US).to_be_bytes());
}

fn optional(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => field(out, value),
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}

fn field(out: &mut Vec<u8>, value: &[u8]) {
    length(out, value.len());
    out.extend_from_slice(value);
}

/// An array of one dimension.
fn array<T>(out: &mut Vec<u8>, element: u32, items: &[T], encode: impl Fn(&mut Vec<u8>, &T)) {
    let mut value = Vec::new();
    // Dimensions, whether there may be nulls, and the type; then the dimension's length and its
    // first index.
    for number in [1, 1, element] {
        value.extend_from_slice(&number.to_be_bytes());
    }
    length(&mut value, items.len());
    value.extend_from_slice(&1_u32.to_be_bytes());
    for item in items {
        encode(&mut value, item);
    }
    field(out, &value);
}

/// A message is at most 4 GiB long, and its fields are shorter.
#[expect(clippy::cast_possible_truncation, reason = "bounded by WS_MAX_PAYLOAD, a u32")]
fn length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u32).to_be_bytes());
}
