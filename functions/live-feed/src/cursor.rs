//! Where a subscriber is: what `since` says.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use shared::cache::Place;

use crate::entry::Entry;

/// Ids are 4,096 to a millisecond since this one (see `queue::Producer`).
const FIRST_ID_MS: i64 = 1_704_067_200_000;
const IDS_PER_MS: i64 = 4096;
/// An id is at most so much older than its row: half of it for a block of ids, the rest for
/// clocks that differ.
const ID_AGE: TimeDelta = TimeDelta::seconds(10);

/// Behind everything that a subscriber got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    /// Where it is in the key's list.
    pub place: Place,
    /// The greatest id of a row until there. In another list than that, what is new has a greater
    /// one: ids grow with each message of a node.
    pub id: i64,
}

impl Cursor {
    /// An id that is less than those of all rows to come.
    pub fn id_now() -> i64 {
        ((Utc::now() - ID_AGE).timestamp_millis() - FIRST_ID_MS) * IDS_PER_MS
    }

    /// Behind `entries`, which end at `place` and follow a row with the id `known`.
    pub fn behind<'a>(
        place: Place,
        known: i64,
        entries: impl IntoIterator<Item = &'a Entry<'a>>,
    ) -> Self {
        Self { place, id: entries.into_iter().map(|entry| entry.id).fold(known, i64::max) }
    }

    /// Whether something may have followed before `moment`.
    pub fn is_before(&self, moment: DateTime<Utc>) -> bool {
        let made = DateTime::from_timestamp_millis(FIRST_ID_MS + self.id / IDS_PER_MS);
        made.is_none_or(|made| made < moment)
    }
}

/// Opaque to clients.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.place.generation.simple(), self.place.position, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(());
        let generation = part()?.parse().map_err(drop)?;
        let position = part()?.parse().map_err(drop)?;
        let id = part()?.parse().map_err(drop)?;
        Ok(Self { place: Place { generation, position }, id })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(generation: u128, position: u64, id: i64) {
            let place = Place { generation: Uuid::from_u128(generation), position };
            let cursor = Cursor { place, id };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn no_text_is_a_panic(text: String) {
            let _ = text.parse::<Cursor>();
        }
    }
}
