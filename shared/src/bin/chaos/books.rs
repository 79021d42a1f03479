//! What must hold at the end: every message that was sent is accounted for.

use std::collections::BTreeMap;

use anyhow::Context as _;
use shared::testing::Database;

use crate::{
    nodes::Stretch,
    stack::{Ended, Instance},
};

/// What became of what was sent.
pub(crate) struct Books {
    pub(crate) sent: u64,
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    /// Sent to a ws-ingest that was killed, and not stored.
    pub(crate) killed: u64,
    /// What these had in hand a moment before.
    pub(crate) in_hand: u64,
    /// Written to a connection that had been cut or closed: nobody read it.
    pub(crate) unread: u64,
    pub(crate) dropped: u64,
    /// What must not be.
    pub(crate) faults: Vec<String>,
}

/// How often each message of each node is stored, by its number.
pub(crate) struct Rows(Vec<Vec<u8>>);

impl Rows {
    /// Reads all of them.
    pub(crate) async fn read(database: &Database, sent: &[Vec<Stretch>]) -> anyhow::Result<Self> {
        let end = |stretches: &Vec<Stretch>| stretches.last().map_or(0, |last| last.end);
        let mut rows: Vec<Vec<u8>> = Vec::with_capacity(sent.len());
        for stretches in sent {
            rows.push(vec![0; usize::try_from(end(stretches))?]);
        }
        let sql = "SELECT split_part(logs->>'key', '-', 1)::bigint,
                          split_part(logs->>'key', '-', 2)::bigint FROM tetcore_logs";
        for row in database.owner().await.query(sql, &[]).await? {
            let (node, number): (i64, i64) = (row.get(0), row.get(1));
            let (node, number) = (usize::try_from(node)?, usize::try_from(number)?);
            let times = rows.get_mut(node).and_then(|of_node| of_node.get_mut(number));
            *times.context("a message that nobody sent")? += 1;
        }
        Ok(Self(rows))
    }

    /// Whether all is there that nodes sent over connections that are still open.
    pub(crate) fn has_open(&self, sent: &[Vec<Stretch>]) -> bool {
        let mut open = self.0.iter().zip(sent).filter_map(|(rows, stretches)| {
            let last = stretches.last().filter(|last| last.is_open)?;
            Some(of(rows, last))
        });
        open.all(|rows| !rows.contains(&0))
    }
}

/// The rows of one connection.
fn of<'a>(rows: &'a [u8], stretch: &Stretch) -> &'a [u8] {
    let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
    rows.get(index(stretch.first)..index(stretch.end)).unwrap_or_default()
}

/// Draws up the books.
pub(crate) fn balance(rows: &Rows, sent: &[Vec<Stretch>], instances: &[Instance]) -> Books {
    let mut books = Books {
        sent: 0,
        stored: 0,
        duplicates: 0,
        killed: 0,
        in_hand: 0,
        unread: 0,
        dropped: 0,
        faults: Vec::new(),
    };
    // Of each instance: messages sent to it, and stored of these.
    let mut by_instance: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for (node, (rows, stretches)) in rows.0.iter().zip(sent).enumerate() {
        for stretch in stretches {
            let rows = of(rows, stretch);
            let stored = rows.iter().filter(|times| **times > 0).count() as u64;
            let (of_instance, stored_of_instance) =
                by_instance.entry(stretch.instance).or_default();
            *of_instance += rows.len() as u64;
            *stored_of_instance += stored;
            books.sent += rows.len() as u64;
            books.stored += stored;
            let repeated = rows.iter().map(|times| u64::from(times.saturating_sub(1)));
            books.duplicates += repeated.sum::<u64>();

            // Who was not killed has stored all that it read, which is the beginning.
            let ended = instances[stretch.instance].ended;
            let lost_none =
                matches!(ended, Some(Ended::Drained { received, queued }) if received == queued);
            let beginning = rows.iter().take_while(|times| **times > 0).count() as u64;
            if lost_none && beginning < stored {
                books
                    .faults
                    .push(format!("a gap: node {node} over {stretch:?}, after {beginning}"));
            }
            if lost_none && stretch.is_open && beginning < rows.len() as u64 {
                books.faults.push(format!("an open end: node {node} over {stretch:?}"));
            }
        }
    }
    for (index, instance) in instances.iter().enumerate() {
        let (sent, stored) = by_instance.get(&index).copied().unwrap_or_default();
        match instance.ended {
            Some(Ended::Drained { received, queued }) => {
                books.dropped += received - queued;
                books.unread += sent.saturating_sub(received);
                if stored != queued {
                    let what = format!("{received} read, {queued} handed over, {stored} stored");
                    books.faults.push(format!("ws-ingest {index}: {what}"));
                }
            }
            Some(Ended::Killed { received, in_hand }) => {
                books.killed += sent - stored;
                books.in_hand += in_hand;
                if stored < received.saturating_sub(in_hand) {
                    let what = format!("{received} read, {in_hand} in hand, {stored} stored");
                    books.faults.push(format!("ws-ingest {index}, killed: {what}"));
                }
            }
            None => books.faults.push(format!("ws-ingest {index}: nobody knows how it ended")),
        }
    }
    if books.duplicates > 0 {
        books.faults.push(format!("{} duplicates", books.duplicates));
    }
    books
}
