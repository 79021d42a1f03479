//! Where to look: the spans of time in which a node's messages are.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use shared::db::Row;

/// Where few of the messages are asked for, each look goes over so many times more of them.
const GROWTH: i64 = 8;

/// From one moment, included, to another, not included; and how many messages may be there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub quantity: i64,
}

impl From<&Row> for Span {
    fn from(row: &Row) -> Self {
        let since: Option<_> = row.get("since");
        let until: Option<_> = row.get("until");
        Self {
            since: since.unwrap_or(DateTime::<Utc>::MIN_UTC),
            until: until.unwrap_or(DateTime::<Utc>::MAX_UTC),
            quantity: row.get("quantity"),
        }
    }
}

/// The parts of `spans` between two moments, as pieces that do not overlap, the newest first:
/// each of some `wanted` messages or more, the later ones of many more.
pub fn pieces(
    mut spans: Vec<Span>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    mut wanted: i64,
) -> Vec<Span> {
    spans.retain(|span| span.since < until && span.until > since);
    spans.sort_by_key(|span| Reverse(span.until));
    let mut pieces: Vec<Span> = Vec::new();
    for span in spans {
        match pieces.last_mut() {
            Some(last) if span.until > last.since => last.extend(span, span.quantity),
            Some(last) if span.until == last.since && last.quantity < wanted => {
                last.extend(span, span.quantity);
            }
            last => {
                if last.is_some_and(|last| last.quantity >= wanted) {
                    wanted = wanted.saturating_mul(GROWTH);
                }
                // Of what is in the newest one, some may be later than what is asked for.
                let quantity = if span.until > until { 0 } else { span.quantity };
                pieces.push(Span { quantity, ..span });
            }
        }
    }
    for piece in &mut pieces {
        piece.since = piece.since.max(since);
        piece.until = piece.until.min(until);
    }
    pieces
}

impl Span {
    fn extend(&mut self, older: Self, quantity: i64) {
        self.since = self.since.min(older.since);
        self.quantity = self.quantity.saturating_add(quantity);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn span((since, until, quantity): (i64, i64, i64)) -> Span {
        Span { since: at(since), until: at(until), quantity }
    }

    fn found(spans: &[(i64, i64, i64)], since: i64, until: i64, wanted: i64) -> Vec<(i64, i64)> {
        let spans = spans.iter().copied().map(span).collect();
        let hours = |time: DateTime<Utc>| (time - DateTime::UNIX_EPOCH).num_hours();
        let pieces = pieces(spans, at(since), at(until), wanted);
        pieces.into_iter().map(|piece| (hours(piece.since), hours(piece.until))).collect()
    }

    #[test]
    fn only_as_much_as_is_wanted_is_looked_at_at_once() {
        let spans = [(0, 1, 50), (1, 2, 50), (2, 3, 50), (3, 4, 50)];
        assert_eq!(found(&spans, 0, 4, 50), [(3, 4), (0, 3)]);
        assert_eq!(found(&spans, 0, 4, 100), [(2, 4), (0, 2)]);
        // Some of the newest may be too new.
        assert_eq!(found(&spans, 0, 3, 51), [(1, 3), (0, 1)]);
    }

    #[test]
    fn what_lies_between_is_passed_over() {
        assert_eq!(found(&[(0, 1, 1), (8, 9, 1)], 0, 10, 100), [(8, 9), (0, 1)]);
        assert_eq!(found(&[(0, 1, 1), (8, 9, 1)], 2, 8, 100), []);
    }

    proptest! {
        #[test]
        fn everything_is_looked_at_once(
            spans in proptest::collection::vec((0_i64..20, 1_i64..9, 1_i64..300), 0..12),
            since in 0_i64..20,
            length in 1_i64..20,
            wanted in 1_i64..400,
        ) {
            let spans: Vec<_> =
                spans.into_iter().map(|(since, length, n)| (since, since + length, n)).collect();
            let until = since + length;
            let found = found(&spans, since, until, wanted);
            for hour in 0..40 {
                let is_in = |(since, until): &(i64, i64)| (*since..*until).contains(&hour);
                let counted = spans.iter().any(|(since, until, _)| is_in(&(*since, *until)));
                let looks = found.iter().filter(|piece| is_in(piece)).count();
                prop_assert!(looks <= 1);
                prop_assert!(looks == 1 || !counted || hour < since || hour >= until);
            }
            prop_assert!(found.is_sorted_by(|newer, older| newer.0 >= older.1));
        }
    }
}
