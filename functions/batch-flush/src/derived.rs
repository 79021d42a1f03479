//! What is derived from rows as they are stored: how many of each type each node sent, and what
//! each node last said of its peers. See `migrations/V8__log_counts.sql` and V9.

use std::collections::{BTreeMap, HashMap};

use shared::{
    reputation::{self, NETWORK_STATE, Report},
    row::{CountNote, Tuple, count_shard},
};

/// Whose report, and whether it is kept for ever.
pub type Reporter = (i64, bool);

/// Audit, hour, node and type.
type Counted<'a> = (bool, i64, i64, Option<&'a [u8]>);

/// What follows from some rows. Those without a node follow later: see `claim_rows.sql`.
#[derive(Default)]
pub struct Derived<'a> {
    /// How many messages there are of each.
    counts: HashMap<Counted<'a>, i32>,
    /// Times and texts of network states.
    states: BTreeMap<Reporter, Vec<(i64, &'a [u8])>>,
}

impl<'a> Derived<'a> {
    /// What follows from these tuples of `tetcore_logs`.
    pub fn from_tuples(tuples: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut derived = Self::default();
        derived.add(tuples);
        derived
    }

    /// Adds what follows from these tuples.
    pub fn add(&mut self, tuples: impl IntoIterator<Item = &'a [u8]>) {
        for tuple in tuples.into_iter().filter_map(Tuple::read) {
            let Some(node_id) = tuple.node_id else {
                continue;
            };
            let counted = (tuple.audit, tuple.hour(), node_id, tuple.counted_msg());
            *self.counts.entry(counted).or_default() += 1;
            if tuple.msg == Some(NETWORK_STATE.as_bytes()) {
                let states = self.states.entry((node_id, tuple.audit)).or_default();
                states.push((tuple.created_at, tuple.logs));
            }
        }
    }

    /// Tuples of `log_count_notes`, as few as can be.
    pub fn notes(&self) -> Vec<u8> {
        let mut notes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (&(audit, hour, node_id, msg), &quantity) in &self.counts {
            let note = notes.entry((count_shard(node_id), audit, hour)).or_default();
            note.push((node_id, msg, quantity));
        }
        let mut tuples = Vec::new();
        for ((shard, audit, hour), counts) in notes {
            CountNote { shard, audit, hour, counts: &counts }.encode(&mut tuples);
        }
        tuples
    }

    /// The newest report of each reporter and its time, in the order of reporters.
    pub fn reports(self) -> Vec<(Reporter, i64, Report)> {
        let newest = |(reporter, mut states): (_, Vec<(i64, &[u8])>)| {
            states.sort_by_key(|(created_at, _)| *created_at);
            let mut states = states.into_iter().rev();
            states.find_map(|(at, logs)| Some((reporter, at, reputation::read(logs)?)))
        };
        self.states.into_iter().filter_map(newest).collect()
    }
}
