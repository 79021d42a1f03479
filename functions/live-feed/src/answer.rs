//! What subscribers are sent.

use serde::Serialize;

use crate::{aggregate::Aggregate, cursor::Cursor, request::Topic};

/// Which subscription an answer is about, as the client named it.
#[derive(Serialize)]
pub struct Subject<'a> {
    peer_id: &'a str,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_type: Option<Aggregate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_interval: Option<i64>,
}

impl<'a> Subject<'a> {
    /// The subject of a topic.
    pub fn new(topic: &'a Topic) -> Self {
        let (aggregate_type, aggregate_interval) = topic.aggregate.unzip();
        let (peer_id, msg) = (topic.key.peer_id.as_str(), topic.key.msg.as_str());
        Self { peer_id, msg, aggregate_type, aggregate_interval }
    }
}

#[derive(Serialize)]
struct Answer<'a, T> {
    peer_message: &'a Subject<'a>,
    data: &'a [T],
    since: String,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_message: Option<&'a Subject<'a>>,
}

/// What is new of a subscription.
pub fn answer<T: Serialize>(subject: &Subject<'_>, data: &[T], cursor: Cursor) -> String {
    let answer = Answer { peer_message: subject, data, since: cursor.to_string() };
    serde_json::to_string(&answer).unwrap_or_else(|error| refusal(None, &error.to_string()))
}

/// What is wrong with a request, or with a subscription.
pub fn refusal(subject: Option<&Subject<'_>>, error: &str) -> String {
    serde_json::to_string(&Refusal { error, peer_message: subject }).unwrap_or_default()
}
