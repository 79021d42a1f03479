//! What travels through Redis as one list element: a batch id, many encoded rows, and the peers
//! and rejects that go with them.
//!
//! ```text
//! magic 4 | batch id 16 | sealed at, µs 8 | messages 4 | rejects 4 | bytes of rows, rejects, peers 3 × 4
//! one block of lz4: rows, tuples of tetcore_logs | rejects, tuples of ingest_rejects | peers, JSON objects, each behind
//! a comma
//! ```
//!
//! Compressed, since rows are much alike: of the default mix of `scripts/simulate-nodes`, a seventh is left, and what
//! compression takes (0.3 CPU s a million messages) is less than what Redis and both its clients save.
//!
//! The batch id is made here, by the producer, so that whatever happens to the element on its
//! way (a push repeated after a time-out, a rescue, a failover) collapses on one primary key.

use std::ops::Range;

use bytes::Bytes;
use lz4_flex::block;
use uuid::Uuid;

use crate::row::{self, Log, Peer, Rejected};

const MAGIC: [u8; 4] = *b"TAE\x03";
const HEADER: usize = 48;
/// A byte of lz4 stands for 255 at most (its block format).
const MOST_EXPANSION: usize = 255;

/// An element of the queue that is no envelope of this version.
#[derive(Debug, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct Unreadable(&'static str);

/// An envelope that is being filled.
#[derive(Default)]
pub struct Builder {
    /// The header's place, then rows.
    bytes: Vec<u8>,
    rejects: Vec<u8>,
    peers: Vec<u8>,
    messages: u32,
    rejected: u32,
}

impl Builder {
    /// Adds a message to be stored.
    pub fn log(&mut self, log: &Log<'_>) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER, 0);
        }
        log.encode(&mut self.bytes);
        self.messages += 1;
    }

    /// Adds a message that was not stored as it came.
    pub fn reject(&mut self, reject: &Rejected<'_>) {
        reject.encode(&mut self.rejects);
        self.rejected += 1;
    }

    /// Adds what is known of a peer; put behind its rows or before, in any number.
    ///
    /// # Errors
    /// Never in fact: a [`Peer`] has a JSON form.
    pub fn peer(&mut self, peer: &Peer) -> serde_json::Result<()> {
        self.peers.push(b',');
        serde_json::to_writer(&mut self.peers, peer)
    }

    /// Messages to be stored so far.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.rejects.len() + self.peers.len()
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the envelope and gives it its id; `sealed_at` is in microseconds since 1970.
    #[must_use]
    pub fn seal(mut self, sealed_at: i64) -> Sealed {
        self.bytes.resize(self.bytes.len().max(HEADER), 0);
        let sizes = [self.bytes.len() - HEADER, self.rejects.len(), self.peers.len()];
        self.bytes.append(&mut self.rejects);
        self.bytes.append(&mut self.peers);
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(Uuid::now_v7().as_bytes());
        header.extend_from_slice(&sealed_at.to_be_bytes());
        header.extend_from_slice(&self.messages.to_be_bytes());
        header.extend_from_slice(&self.rejected.to_be_bytes());
        for size in sizes {
            header.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        }
        self.bytes[..HEADER].copy_from_slice(&header);
        let rows = HEADER..HEADER + sizes[0];
        Sealed { bytes: self.bytes, messages: self.messages, rows, is_packed: false }
    }
}

/// A closed envelope on its way to Redis.
#[derive(Debug)]
pub struct Sealed {
    /// The list element, once it is packed; larger before.
    pub bytes: Vec<u8>,
    /// Messages to be stored in it.
    pub messages: u32,
    rows: Range<usize>,
    is_packed: bool,
}

impl Sealed {
    /// Whether it is a list element.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Gives its rows the ids from `first_id` on, and makes a list element of it; once.
    pub fn pack(&mut self, first_id: i64) {
        row::number(&mut self.bytes[self.rows.clone()], first_id);
        let (header, body) = self.bytes.split_at(HEADER);
        self.bytes = [header, &block::compress(body)].concat();
        self.is_packed = true;
    }
}

/// An envelope as it came out of Redis.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The batch's id.
    pub id: Uuid,
    /// When it was closed, in microseconds since 1970.
    pub sealed_at: i64,
    /// Messages to be stored.
    pub messages: u32,
    /// Messages that were not stored as they came.
    pub rejected: u32,
    /// Tuples of `tetcore_logs`.
    pub rows: Bytes,
    /// Tuples of `ingest_rejects`.
    pub rejects: Bytes,
    /// JSON objects of peers, each behind a comma.
    pub peers: Bytes,
}

impl Envelope {
    /// Unpacks an element.
    ///
    /// # Errors
    /// It was not made by [`Builder`] and [`Sealed`], or is damaged.
    pub fn open(element: &[u8]) -> Result<Self, Unreadable> {
        let (header, body) =
            element.split_at_checked(HEADER).ok_or(Unreadable("it is too short"))?;
        let mut header = Header(header);
        if header.take() != MAGIC {
            return Err(Unreadable("its first bytes are others"));
        }
        let id = Uuid::from_bytes(header.take());
        let sealed_at = i64::from_be_bytes(header.take());
        let messages = u32::from_be_bytes(header.take());
        let rejected = u32::from_be_bytes(header.take());
        let sizes = [header.take(), header.take(), header.take()];
        let [rows, rejects, peers] = sizes.map(|size| u32::from_be_bytes(size) as usize);

        let size = rows + rejects + peers;
        // Checked first, so that a damaged size reserves no memory.
        if size > body.len() * MOST_EXPANSION {
            return Err(Unreadable("its sizes do not add up"));
        }
        let sections = block::decompress(body, size).map_err(|_| Unreadable("it is damaged"))?;
        if sections.len() != size {
            return Err(Unreadable("its sizes do not add up"));
        }
        let mut peers = Bytes::from(sections);
        let rows = peers.split_to(rows);
        let rejects = peers.split_to(rejects);
        Ok(Self { id, sealed_at, messages, rejected, rows, rejects, peers })
    }
}

/// Fixed-size fields off the front of a header that was checked to be long enough.
struct Header<'a>(&'a [u8]);

impl Header<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) =
            self.0.split_first_chunk().map_or(([0; N], [].as_slice()), |pair| (*pair.0, pair.1));
        self.0 = rest;
        field
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::{message, row};

    proptest! {
        #[test]
        fn what_goes_in_comes_out(texts in proptest::collection::vec("[a-z\\\\n]{0,40}", 0..20)) {
            let mut builder = Builder::default();
            for (number, text) in (0..).zip(&texts) {
                let mut bytes = serde_json::json!({ "msg": text, "n": number }).to_string().into_bytes();
                let message = message::parse(&mut bytes).unwrap();
                builder.log(&Log {
                    created_at: number,
                    peer_connection_id: 7,
                    node_id: (number % 2 == 0).then_some(number),
                    audit: false,
                    msg: message.msg.as_deref(),
                    logs: message.logs,
                });
            }
            let peer = Peer::new(7, "::1".into(), false, DateTime::UNIX_EPOCH);
            builder.peer(&peer).unwrap();
            let mut sealed = builder.seal(12);
            prop_assert_eq!(sealed.messages as usize, texts.len());
            prop_assert!(!sealed.is_packed());
            sealed.pack(1 << 40);
            prop_assert!(sealed.is_packed());

            let element = sealed.bytes;
            let envelope = Envelope::open(&element).unwrap();
            prop_assert_eq!((envelope.sealed_at, envelope.messages as usize), (12, texts.len()));
            let tuples: Vec<_> = row::tuples(&envelope.rows).collect();
            prop_assert_eq!(tuples.len(), texts.len());
            for (number, (tuple, text)) in (0_i64..).zip(tuples.into_iter().zip(&texts)) {
                let tuple = row::Tuple::read(tuple).unwrap();
                prop_assert_eq!((tuple.id, tuple.created_at), ((1 << 40) + number, number));
                prop_assert_eq!((tuple.peer_connection_id, tuple.audit), (7, false));
                prop_assert_eq!(tuple.node_id, (number % 2 == 0).then_some(number));
                prop_assert_eq!(tuple.msg, Some(text.as_bytes()));
                let logs: serde_json::Value = serde_json::from_slice(tuple.logs).unwrap();
                prop_assert_eq!(&logs["msg"], text);
            }
            prop_assert_eq!(envelope.peers.first(), Some(&b','));

            // Cut anywhere, it is refused.
            for end in 0..element.len() {
                prop_assert!(Envelope::open(&element[..end]).is_err());
            }
            prop_assert!(Envelope::open(&[element, vec![0]].concat()).is_err());
        }
    }

    #[test]
    fn a_row_of_a_time_that_no_number_holds_is_not_read() {
        let mut bytes = b"{}".to_vec();
        let logs = message::parse(&mut bytes).unwrap().logs;
        let log = Log {
            created_at: 0,
            peer_connection_id: 7,
            node_id: None,
            audit: false,
            msg: None,
            logs,
        };
        let mut tuple = Vec::new();
        log.encode(&mut tuple);
        assert!(row::Tuple::read(&tuple).is_some());
        // Behind the number of fields, the id, and the lengths of both.
        tuple[18..26].copy_from_slice(&i64::MAX.to_be_bytes());
        assert!(row::Tuple::read(&tuple).is_none());
    }
}
