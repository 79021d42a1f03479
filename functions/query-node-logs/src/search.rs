//! The newest messages of a span of time, wherever they are kept.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use shared::{
    db::{Row, ToSql},
    http::{self, Cursor},
    query::Query,
};

use crate::{
    places::Places,
    spans::{Span, pieces},
};

/// What is looked for.
pub struct Search<'a> {
    pub query: &'a Query,
    pub node: i64,
    pub places: &'a Places,
    pub target: Option<String>,
    /// Only messages that come after this place.
    pub after: Option<Cursor>,
}

impl Search<'_> {
    /// The newest `wanted` messages from `since`, included, to `until`, not included: looked for
    /// where messages have been counted, until there are enough.
    pub async fn newest(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        wanted: i64,
    ) -> http::Result<Vec<Row>> {
        let mut found = Vec::new();
        for piece in pieces(self.places.spans.clone(), since, until, wanted) {
            for part in self.parts(piece, missing(wanted, &found)).await? {
                let more = self.ask(part, missing(wanted, &found)).await?;
                found.extend(more);
                if missing(wanted, &found) == 0 {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// A piece in parts, the newest first, so that no more slices need to be unpacked for it than it
    /// takes to have enough messages. All of it is in them: not only what is in slices.
    async fn parts(&self, piece: Span, wanted: i64) -> http::Result<Vec<Span>> {
        let [from, to] = bounds(piece);
        let Places { kept_types, .. } = self.places;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.node, &from, &to, kept_types, &self.target];
        let slices = self.query.rows(include_str!("slices.sql"), &parameters).await?;
        let slices = slices.iter().map(Span::from).collect();
        let mut rest = piece;
        let mut parts = Vec::new();
        for part in pieces(slices, piece.since, piece.until, wanted) {
            parts.push(Span { since: part.since, ..rest });
            rest.until = part.since;
        }
        parts.push(rest);
        Ok(parts)
    }

    /// The newest `wanted` messages of a part.
    async fn ask(&self, part: Span, wanted: i64) -> http::Result<Vec<Row>> {
        let [from, to] = bounds(part);
        let (time, id) = self.after.map(|after| (after.time, after.id)).unzip();
        let mut found = Vec::new();
        for msg in &self.places.types {
            let sql = sql(msg.is_some(), self.target.is_some(), time.is_some());
            let parameters: [&(dyn ToSql + Sync); 8] =
                [&self.node, msg, &self.target, &from, &to, &time, &id, &wanted];
            found.extend(self.query.rows(&sql, &parameters).await?);
        }
        if self.places.types.len() > 1 {
            found.sort_by_key(|row| Reverse(place(row)));
            found.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        Ok(found)
    }
}

/// Where a message stands among the others.
fn place(row: &Row) -> (DateTime<Utc>, i64) {
    (row.get("created_at"), row.get("id"))
}

/// How many of the `wanted` are missing.
fn missing(wanted: i64, found: &[Row]) -> i64 {
    wanted - i64::try_from(found.len()).unwrap_or(wanted)
}

/// `logs.sql` with the filters that are given.
fn sql(msg: bool, target: bool, after: bool) -> String {
    // The beginning of msg is in the index, where other types are passed over without a look at
    // their rows.
    let msg = if msg { "left(msg, 64) = left($2, 64) AND msg = $2" } else { "$2::text IS NULL" };
    let target = if target { "logs ->> 'target' = $3" } else { "$3::text IS NULL" };
    let after = if after {
        "(created_at, id) < ($6, $7)"
    } else {
        "$6::timestamptz IS NULL AND $7::bigint IS NULL"
    };
    include_str!("logs.sql")
        .replace("{msg}", msg)
        .replace("{target}", target)
        .replace("{after}", after)
}

/// From when to when, as far as PostgreSQL has such times.
fn bounds(piece: Span) -> [Option<DateTime<Utc>>; 2] {
    let is_storable =
        |time: &DateTime<Utc>| *time > DateTime::<Utc>::MIN_UTC && *time < DateTime::<Utc>::MAX_UTC;
    [piece.since, piece.until].map(|time| Some(time).filter(is_storable))
}
