//! One message, as it stands in the cache and as subscribers get it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::http::Time;

/// A message in a chunk of the cache, which is a JSON array of them.
#[derive(Debug, Deserialize, Serialize)]
pub struct Entry<'a> {
    /// `tetcore_logs.id`.
    pub id: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// Who sent it.
    pub peer: String,
    /// Its type.
    pub msg: Option<String>,
    /// As it is stored.
    #[serde(borrow)]
    pub logs: &'a RawValue,
}

/// A message in an answer.
#[derive(Serialize)]
pub struct Message<'a> {
    peer_id: &'a str,
    msg: Option<&'a str>,
    created_at: Time,
    logs: &'a RawValue,
}

impl Entry<'_> {
    /// As subscribers get it.
    pub fn message(&self) -> Message<'_> {
        Message {
            peer_id: &self.peer,
            msg: self.msg.as_deref(),
            created_at: Time(self.created_at()),
            logs: self.logs,
        }
    }

    /// When it was sent.
    pub fn created_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.at).unwrap_or_default()
    }
}

/// The messages of a chunk; none of one that is damaged.
pub fn entries(chunk: &[u8]) -> Vec<Entry<'_>> {
    serde_json::from_slice(chunk).unwrap_or_else(|error| {
        tracing::error!(%error, "a chunk of the cache cannot be read");
        Vec::new()
    })
}
