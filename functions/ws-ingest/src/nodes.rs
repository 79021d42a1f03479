//! The nodes of one connection: which of them a message belongs to, and what is known of each.

use chrono::TimeDelta;
use shared::{
    message::Message,
    row::{Log, Peer, Rejected},
};

use crate::{clock, context::Context};

/// What is known of a node is reported again after this time, so that it counts as seen.
const REPORT_EVERY_US: i64 = 30 * 1_000_000;

/// The nodes that one connection has sent for.
pub struct Nodes {
    known: Vec<Node>,
    ip: String,
    audit: bool,
    opened_at: i64,
    lane: usize,
}

struct Node {
    /// V2's `id`; V1 has none, and one node.
    key: Option<u64>,
    peer: Peer,
    /// What is known has changed since it was last reported.
    changed: bool,
    reported_at: i64,
    /// The lane's envelope in which it was last reported.
    reported_in: u64,
}

impl Nodes {
    /// No node yet. `lane` is where the connection's messages go.
    pub fn new(ip: String, audit: bool, lane: usize) -> Self {
        Self { known: Vec::new(), ip, audit, opened_at: clock::now_us(), lane }
    }

    /// Stores `message`, or counts it with the reason why not. `bytes` are its own.
    pub fn store(
        &mut self,
        context: &Context,
        message: &Message<'_>,
        received_at: i64,
        size: usize,
    ) {
        let Some(index) = self.node(context, message, received_at) else {
            return;
        };
        let node = &mut self.known[index];
        node.learn(context, message, self.lane, received_at);
        let (created_at, replaced) = clock::created_at(message, received_at);
        if let Some(reason) = replaced {
            context.metrics.clock_replaced.with_label_values(&[reason]).inc();
        }
        let log = Log {
            created_at,
            peer_connection_id: node.peer.id,
            node_id: node.peer.node_id,
            audit: self.audit,
            msg: message.msg.as_deref(),
            logs: message.logs,
        };
        context.buffer.log(self.lane, &log, |envelope| {
            let created_at = clock::date(created_at);
            node.peer.newest_log_at = node.peer.newest_log_at.max(Some(created_at));
            node.peer.has_unclaimed_rows |= node.peer.node_id.is_none();
            // Rows of an unknown node never travel without its record: whichever transaction
            // comes second then finds the other's rows or identity.
            let alone = node.peer.node_id.is_none() && node.reported_in != envelope;
            let due = node.changed || alone || received_at - node.reported_at > REPORT_EVERY_US;
            due.then(|| node.report(received_at, envelope))
        });
        if message.repaired {
            context.metrics.repaired.inc();
            let mut sample = Vec::new();
            message.logs.write(&mut sample);
            self.keep(context, "nul_repaired", received_at, size, &sample, Some(index));
        }
    }

    /// Counts a message that cannot be stored, and keeps the beginning of it.
    pub fn reject(
        &self,
        context: &Context,
        reason: &str,
        received_at: i64,
        size: usize,
        sample: &[u8],
    ) {
        context.metrics.rejected.with_label_values(&[reason]).inc();
        self.keep(context, reason, received_at, size, sample, None);
    }

    /// Reports nodes that are connected, though perhaps silent; all of them when the connection
    /// has `ended`.
    pub fn report(&mut self, context: &Context, now: i64, ended: bool) {
        for node in &mut self.known {
            if ended || now - node.reported_at > REPORT_EVERY_US {
                node.see(now);
                context.buffer.peer(self.lane, &node.peer);
                node.reported_at = now;
            }
        }
    }

    /// The sender's place; none after it was counted why there is none.
    fn node(
        &mut self,
        context: &Context,
        message: &Message<'_>,
        received_at: i64,
    ) -> Option<usize> {
        if let Some(index) = self.known.iter().position(|node| node.key == message.id) {
            return Some(index);
        }
        if self.known.len() >= context.most_nodes {
            let mut sample = Vec::new();
            message.logs.write(&mut sample);
            self.reject(context, "too_many_nodes", received_at, sample.len(), &sample);
            return None;
        }
        let Some(id) = context.ids.take() else {
            context.metrics.dropped.with_label_values(&["no_id"]).inc();
            return None;
        };
        let peer = Peer::new(id, self.ip.clone(), self.audit, clock::date(self.opened_at));
        self.known.push(Node {
            key: message.id,
            peer,
            changed: true,
            reported_at: received_at,
            reported_in: 0,
        });
        Some(self.known.len() - 1)
    }

    fn keep(
        &self,
        context: &Context,
        reason: &str,
        received_at: i64,
        size: usize,
        sample: &[u8],
        stored_for: Option<usize>,
    ) {
        let reject = Rejected {
            created_at: received_at,
            reason,
            ip_addr: &self.ip,
            peer_connection_id: stored_for.map(|index| self.known[index].peer.id),
            stored: stored_for.is_some(),
            size,
            sample,
        };
        context.buffer.reject(self.lane, &reject);
    }
}

impl Node {
    /// Takes over what a message says of its sender.
    fn learn(&mut self, context: &Context, message: &Message<'_>, lane: usize, received_at: i64) {
        if self.peer.node_id.is_some() && !message.announces_node() {
            return;
        }
        let Some(identity) = message.identity() else {
            return;
        };
        let known = self.peer.identity.as_ref().map(|identity| &identity.peer_id);
        let other = known.is_some_and(|known| *known != identity.peer_id);
        if other {
            // Another node under the same number: what came until now stays its predecessor's.
            let Some(id) = context.ids.take() else {
                return;
            };
            self.see(received_at);
            context.buffer.peer(lane, &self.peer);
            let ip = std::mem::take(&mut self.peer.ip_addr);
            self.peer = Peer::new(id, ip, self.peer.audit, clock::date(received_at));
        }
        self.peer.identify(identity);
        self.changed = true;
    }

    /// Each record of a peer is later than the one before, even of messages that were read at
    /// once: in the database the latest counts, in whatever order they arrive.
    fn see(&mut self, now: i64) {
        self.peer.last_seen =
            clock::date(now).max(self.peer.last_seen + TimeDelta::microseconds(1));
    }

    /// What is known, for the envelope with this number.
    fn report(&mut self, now: i64, envelope: u64) -> Peer {
        self.see(now);
        let report = self.peer.clone();
        self.changed = false;
        self.reported_at = now;
        self.reported_in = envelope;
        // Those that wait for this identity are claimed with this report.
        self.peer.has_unclaimed_rows &= self.peer.node_id.is_none();
        report
    }
}
