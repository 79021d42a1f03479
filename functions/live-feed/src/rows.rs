//! Rows on their way into the cache.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::entry::Entry;

/// How many rows are remembered, so that one that comes again is not passed on again: what a
/// killed worker or a restarted Redis brings again is younger.
const REMEMBERED: usize = 131_072;

/// A row as it stands in a chunk.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The row's.
    pub id: i64,
    json: String,
}

impl Encoded {
    /// Encodes an entry.
    pub fn new(entry: &Entry<'_>) -> anyhow::Result<Self> {
        Ok(Self { id: entry.id, json: serde_json::to_string(entry)? })
    }
}

/// These rows as one chunk.
pub fn chunk(rows: &[Encoded]) -> Vec<u8> {
    let rows: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

/// Each row once, in the order in which they were sent.
pub fn merged(rows: impl IntoIterator<Item = Encoded>) -> Vec<Encoded> {
    let rows: BTreeMap<i64, Encoded> = rows.into_iter().map(|row| (row.id, row)).collect();
    rows.into_values().collect()
}

/// The rows that a list got lately.
#[derive(Default)]
pub struct Seen {
    ids: HashSet<i64>,
    order: VecDeque<i64>,
}

impl Seen {
    /// Whether the row is new; it is not any more, from now on.
    pub fn is_new(&mut self, id: i64) -> bool {
        let is_new = self.ids.insert(id);
        if is_new {
            self.order.push_back(id);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
        is_new
    }
}

impl FromIterator<i64> for Seen {
    fn from_iter<I: IntoIterator<Item = i64>>(ids: I) -> Self {
        let mut seen = Self::default();
        for id in ids {
            seen.is_new(id);
        }
        seen
    }
}
