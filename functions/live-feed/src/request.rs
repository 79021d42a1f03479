//! What a client sends: one JSON object, which subscribes or unsubscribes.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::{
    cache::{ALL, Key},
    http::{self, Time},
};

use crate::{aggregate::Aggregate, cursor::Cursor};

/// The longest peer id or type that is taken, in bytes.
const LONGEST: usize = 256;
/// The longest interval of aggregates, in seconds: as far back as the feed reaches.
const LONGEST_INTERVAL_S: i64 = 3600;

/// Subscribes to what a node sends, or ends that: `{"peer_id", "msg", "interest"}`. Answers are
/// `{"peer_message": {"peer_id", "msg"}, "data": […], "since"}`, the first one at once, others
/// while there is something new.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// The node; `*` for all of them.
    peer_id: String,
    /// The type of message; `*` for all of them.
    msg: String,
    interest: Interest,
    /// Only messages from this moment on; without it, and without `since`, those to come.
    start_time: Option<Time>,
    /// Goes on where the answer with this `since` ended.
    since: Option<String>,
    /// Instead of messages, their `time` in intervals, by `target` and `name`.
    aggregate_type: Option<Aggregate>,
    /// Length of the intervals, in seconds.
    aggregate_interval: Option<i64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Interest {
    Subscribe,
    Unsubscribe,
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// To get what [`Topic`] names, from somewhere on.
    Subscribe(Topic, From),
    /// Not to get it any more.
    Unsubscribe(Topic),
}

/// What an answer is about; each connection has it once.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Topic {
    /// Which messages.
    pub key: Key,
    /// How they are summed up, in intervals of so many seconds.
    pub aggregate: Option<(Aggregate, i64)>,
}

/// From where on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum From {
    /// What is to come.
    Now,
    /// What was sent at this moment or later.
    Time(DateTime<Utc>),
    /// What the client has not got yet; of that, what was sent at this moment or later.
    Cursor(Cursor, Option<DateTime<Utc>>),
}

impl Wish {
    /// Reads a client's message.
    ///
    /// # Errors
    /// It is not what was expected: a sentence that names the member.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let request: Request = http::parse(text).map_err(|error| error.detail())?;
        for (name, value) in [("peer_id", &request.peer_id), ("msg", &request.msg)] {
            if value.is_empty() || value.len() > LONGEST {
                return Err(format!("`{name}`: expected 1 to {LONGEST} bytes, or `{ALL}`"));
            }
        }
        let aggregate = match (request.aggregate_type, request.aggregate_interval) {
            (None, None) => None,
            (Some(aggregate), Some(seconds @ 1..=LONGEST_INTERVAL_S)) => Some((aggregate, seconds)),
            (Some(_), given) => {
                let given = given.map_or("none".to_owned(), |given| given.to_string());
                return Err(format!(
                    "`aggregate_interval`: expected 1 to {LONGEST_INTERVAL_S} seconds, got {given}"
                ));
            }
            (None, Some(_)) => {
                return Err("`aggregate_type`: expected one beside `aggregate_interval`".to_owned());
            }
        };
        let key = Key { peer_id: request.peer_id, msg: request.msg };
        let topic = Topic { key, aggregate };
        if matches!(request.interest, Interest::Unsubscribe) {
            return Ok(Self::Unsubscribe(topic));
        }
        let start = request.start_time.map(|time| time.0);
        let from = match (&request.since, start) {
            (Some(since), start) => {
                let cursor = since
                    .parse()
                    .map_err(|()| "`since`: expected one of an answer of this feed".to_owned())?;
                From::Cursor(cursor, start)
            }
            (None, Some(start)) => From::Time(start),
            (None, None) => From::Now,
        };
        Ok(Self::Subscribe(topic, from))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parse(members: &str) -> Result<Wish, String> {
        let text = format!(r#"{{"peer_id":"a","msg":"b","interest":"subscribe"{members}}}"#);
        Wish::parse(text.as_bytes())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (members, name) in [
            (r#","aggregate_type":"max""#, "aggregate_interval"),
            (r#","aggregate_type":"max","aggregate_interval":0"#, "aggregate_interval"),
            (r#","aggregate_type":"max","aggregate_interval":-1"#, "aggregate_interval"),
            (r#","aggregate_type":"max","aggregate_interval":1e99"#, "`aggregate_interval`"),
            (
                r#","aggregate_type":"max","aggregate_interval":9223372036854775807"#,
                "aggregate_interval",
            ),
            (r#","aggregate_type":"mode","aggregate_interval":1"#, "`aggregate_type`"),
            (r#","aggregate_interval":1"#, "aggregate_type"),
            (r#","since":"yesterday""#, "since"),
            (r#","start_time":"yesterday""#, "`start_time`"),
            (r#","else":1"#, "`else`"),
        ] {
            let error = parse(members).unwrap_err();
            assert!(error.contains(name), "{members}: {error}");
        }
        for (text, name) in [
            ("", "JSON"),
            ("[]", "object"),
            (r#"{"peer_id":"","msg":"b","interest":"subscribe"}"#, "`peer_id`"),
            (r#"{"peer_id":"a","interest":"subscribe"}"#, "`msg`"),
            (r#"{"peer_id":"a","msg":"b","interest":"none"}"#, "`interest`"),
        ] {
            let error = Wish::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(name), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        let key = || Key { peer_id: "a".into(), msg: "b".into() };
        let plain = Topic { key: key(), aggregate: None };
        assert_eq!(parse("").unwrap(), Wish::Subscribe(plain.clone(), From::Now));
        let time = From::Time(DateTime::UNIX_EPOCH);
        assert_eq!(
            parse(r#","start_time":"1970-01-01T00:00:00""#).unwrap(),
            Wish::Subscribe(plain, time)
        );
        let means = Topic { key: key(), aggregate: Some((Aggregate::Mean, 60)) };
        assert_eq!(
            parse(r#","aggregate_type":"mean","aggregate_interval":60"#).unwrap(),
            Wish::Subscribe(means, From::Now)
        );
    }
}
