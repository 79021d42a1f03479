//! What is derived from rows as they are stored: how many of each type each node sent, what each
//! node last said of its peers, and which targets there are. See `migrations/V8__log_counts.sql`,
//! V9 and V12.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use chrono::{DateTime, Utc};
use shared::{
    reputation::{self, NETWORK_STATE, Report},
    row::{CountNote, Tuple, count_shard},
    target::{self, RawTarget},
};

/// Whose report, and whether it is kept for ever.
pub type Reporter = (i64, bool);

/// Audit, hour, node and type.
type Counted<'a> = (bool, i64, i64, Option<&'a [u8]>);

/// Audit, hour, type and target.
type Targeted<'a> = (bool, i64, Option<&'a [u8]>, RawTarget<'a>);

/// Which types name which targets, side by side.
#[derive(Debug, Default)]
pub struct Targets<'a> {
    /// Whether messages are kept for ever.
    pub audits: Vec<bool>,
    /// The hours that they were created in.
    pub hours: Vec<Option<DateTime<Utc>>>,
    /// Their types.
    pub msgs: Vec<Option<Cow<'a, str>>>,
    /// Their targets.
    pub names: Vec<Option<Cow<'a, str>>>,
}

/// What follows from some rows. What the node of a row matters for follows later if that is not
/// known yet: see `claim_rows.sql`.
#[derive(Default)]
pub struct Derived<'a> {
    /// How many messages there are of each.
    counts: HashMap<Counted<'a>, i32>,
    /// Times and texts of network states.
    states: BTreeMap<Reporter, Vec<(i64, &'a [u8])>>,
    targets: HashSet<Targeted<'a>>,
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
            for target in target::candidates(tuple.logs) {
                self.targets.insert((tuple.audit, tuple.hour(), tuple.msg, target));
            }
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

    /// Which types name which targets.
    pub fn targets(&self) -> Targets<'a> {
        let mut targets = Targets::default();
        for &(audit, hour, msg, target) in &self.targets {
            targets.audits.push(audit);
            targets.hours.push(DateTime::from_timestamp_micros(hour));
            targets.msgs.push(msg.map(String::from_utf8_lossy));
            targets.names.push(target::text(target));
        }
        targets
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
