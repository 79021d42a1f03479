//! Sums up the `time` of messages in intervals, by node, `target` and `name`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::http::Time;

use crate::entry::Entry;

/// Samples that are kept for one subscription; beyond, its oldest intervals are forgotten, and
/// messages of theirs that come later are summed up anew, without them.
const MOST_SAMPLES: usize = 1_000_000;
const SECOND_US: i64 = 1_000_000;

/// A way to make one number of several.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The arithmetic mean.
    Mean,
    /// As PostgreSQL's `percentile_cont(0.5)`.
    Median,
    /// As PostgreSQL's `percentile_cont(0.9)`.
    Percentile90,
}

impl Aggregate {
    /// Of `samples`, of which there is at least one.
    fn of(self, samples: &[f64]) -> f64 {
        match self {
            Self::Min => samples.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Mean => samples.iter().sum::<f64>() / count(samples.len()),
            Self::Median => percentile(samples, 0.5),
            Self::Percentile90 => percentile(samples, 0.9),
        }
    }
}

/// Interpolates between the two samples that are nearest.
fn percentile(samples: &[f64], fraction: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = fraction * count(sorted.len() - 1);
    let below = place.floor();
    let at = |place: f64| sorted.iter().copied().nth(index(place)).unwrap_or(f64::NAN);
    let (low, high) = (at(below), at(place.ceil()));
    low + (high - low) * (place - below)
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 samples")]
fn count(samples: usize) -> f64 {
    samples as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn index(place: f64) -> usize {
    place as usize
}

/// What is summed up together: the interval's beginning in microseconds since 1970, the node,
/// `target` and `name`.
type Group = (i64, String, Option<String>, Option<String>);

/// The samples of one subscription.
pub struct Aggregation {
    aggregate: Aggregate,
    interval_us: i64,
    groups: BTreeMap<Group, Vec<f64>>,
    samples: usize,
    changed: BTreeSet<Group>,
}

/// What is summed up of a message.
#[derive(Deserialize)]
struct Sample {
    time: Number,
    target: Option<serde_json::Value>,
    name: Option<serde_json::Value>,
}

/// Nodes send times as numbers, and some of them as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

/// One interval of one group. A later one of the same `peer_id`, `target`, `name` and
/// `created_at` replaces it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Interval<'a> {
    peer_id: &'a str,
    target: Option<&'a str>,
    name: Option<&'a str>,
    /// The beginning of the interval, whose end is not included.
    created_at: Time,
    /// The aggregate, in the unit of the messages.
    time: f64,
    /// Messages in it.
    qty: usize,
}

impl Aggregation {
    /// Nothing yet.
    pub fn new(aggregate: Aggregate, interval_s: i64) -> Self {
        Self {
            aggregate,
            interval_us: interval_s.saturating_mul(SECOND_US),
            groups: BTreeMap::new(),
            samples: 0,
            changed: BTreeSet::new(),
        }
    }

    /// The beginning of the interval of a moment, both in microseconds since 1970.
    pub fn beginning(&self, at: i64) -> i64 {
        at - at.rem_euclid(self.interval_us)
    }

    /// Adds a message; one without a `time` has nothing to be summed up.
    pub fn add(&mut self, entry: &Entry<'_>) {
        let Ok(sample) = serde_json::from_str::<Sample>(entry.logs.get()) else {
            return;
        };
        let time = match sample.time {
            Number::Number(time) => Some(time),
            Number::Text(text) => text.trim().parse().ok(),
        };
        let Some(time) = time.filter(|time| time.is_finite()) else {
            return;
        };
        let text = |value: Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text),
            None | Some(serde_json::Value::Null) => None,
            Some(other) => Some(other.to_string()),
        };
        let group =
            (self.beginning(entry.at), entry.peer.clone(), text(sample.target), text(sample.name));
        self.changed.insert(group.clone());
        self.groups.entry(group).or_default().push(time);
        self.samples += 1;
        while self.samples > MOST_SAMPLES
            && let Some((group, samples)) = self.groups.pop_first()
        {
            self.samples -= samples.len();
            self.changed.remove(&group);
        }
    }

    /// Forgets which intervals have changed.
    pub fn settle(&mut self) {
        self.changed.clear();
    }

    /// The intervals that have changed since.
    pub fn changed(&self) -> Vec<Interval<'_>> {
        self.changed
            .iter()
            .filter_map(|group| {
                let (group, samples) = self.groups.get_key_value(group)?;
                let (beginning, peer, target, name) = group;
                Some(Interval {
                    peer_id: peer,
                    target: target.as_deref(),
                    name: name.as_deref(),
                    created_at: Time(
                        chrono::DateTime::from_timestamp_micros(*beginning).unwrap_or_default(),
                    ),
                    time: self.aggregate.of(samples),
                    qty: samples.len(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn add(aggregation: &mut Aggregation, at: i64, logs: &str) {
        let logs = RawValue::from_string(logs.to_owned()).unwrap();
        let (peer, msg) = ("peer".to_owned(), Some("tracing.profiling".to_owned()));
        aggregation.add(&Entry { id: 0, at, peer, msg, logs: &logs });
    }

    #[test]
    fn percentiles_are_postgresqls() {
        let samples = [15.0, 20.0, 35.0, 40.0, 50.0];
        assert!((Aggregate::Median.of(&samples) - 35.0).abs() < 1e-9);
        assert!((Aggregate::Percentile90.of(&samples) - 46.0).abs() < 1e-9);
        assert!((Aggregate::Median.of(&[1.0, 2.0]) - 1.5).abs() < 1e-9);
        assert!((Aggregate::Percentile90.of(&[7.0]) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_summed_up_is_passed_over() {
        let mut aggregation = Aggregation::new(Aggregate::Max, 1);
        for logs in [
            "{}",
            "[]",
            r#"{"time":null}"#,
            r#"{"time":"soon"}"#,
            r#"{"time":[1]}"#,
            r#"{"time":"inf"}"#,
        ] {
            add(&mut aggregation, 0, logs);
        }
        assert_eq!(aggregation.changed(), []);
        add(&mut aggregation, 0, r#"{"time":"2.5","target":7}"#);
        let changed = aggregation.changed();
        assert_eq!((changed[0].target, changed[0].qty), (Some("7"), 1));
    }

    proptest! {
        /// Each sample is in the interval that begins at or before it and ends behind it, the
        /// sample on an edge included; and what is answered last is what all of them give.
        #[test]
        fn aggregates_are_what_they_say(
            samples in proptest::collection::vec((0_i64..20, 0_i64..2, 0_u32..1000), 1..60),
            interval in 1_i64..7,
        ) {
            for aggregate in [Aggregate::Min, Aggregate::Max, Aggregate::Mean, Aggregate::Median, Aggregate::Percentile90] {
                let mut aggregation = Aggregation::new(aggregate, interval);
                let mut last = BTreeMap::new();
                for (second, target, time) in &samples {
                    let logs = format!(r#"{{"time":{time},"target":"{target}"}}"#);
                    add(&mut aggregation, second * SECOND_US, &logs);
                    for one in aggregation.changed() {
                        last.insert((one.created_at.0.timestamp(), one.target.unwrap().to_owned()), (one.time, one.qty));
                    }
                    aggregation.settle();
                }
                for ((beginning, target), (value, quantity)) in last {
                    let times: Vec<f64> = samples
                        .iter()
                        .filter(|(second, of, _)| {
                            (beginning..beginning + interval).contains(second) && of.to_string() == target
                        })
                        .map(|(.., time)| f64::from(*time))
                        .collect();
                    prop_assert_eq!(quantity, times.len());
                    prop_assert!((value - aggregate.of(&times)).abs() < 1e-9);
                    prop_assert_eq!(beginning.rem_euclid(interval), 0);
                }
            }
        }
    }
}
