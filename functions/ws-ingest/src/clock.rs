//! The time of receipt, and which node's clock is believed.

use chrono::{DateTime, Utc};
use shared::message::Message;

/// A node's clock that is further ahead is wrong.
const MOST_AHEAD_US: i64 = 24 * 3600 * 1_000_000;

/// Now, in microseconds since 1970.
pub fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}

/// As a date.
pub fn date(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

/// When a message was sent: by its own account, or, with the reason why that is not believed,
/// when it was received.
pub fn created_at(message: &Message<'_>, received_at: i64) -> (i64, Option<&'static str>) {
    match message.sent_at {
        Some(sent_at) if sent_at - received_at > MOST_AHEAD_US => (received_at, Some("ahead")),
        Some(sent_at) => (sent_at, None),
        None if message.has_ts => (received_at, Some("unreadable")),
        None => (received_at, Some("missing")),
    }
}
