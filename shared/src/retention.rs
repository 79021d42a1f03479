//! How long messages are kept, and the partitions that follow from it.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    config,
    db::{Client, Error},
};

/// `LOG_EXPIRY_H`: hours after which messages expire, audit messages excepted. 32 years where
/// nothing is said.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LogExpiry(NonZeroU32);

impl LogExpiry {
    /// The hours, as SQL takes them.
    #[must_use]
    pub fn hours(self) -> i64 {
        self.0.get().into()
    }
}

impl Default for LogExpiry {
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(280_319))
    }
}

impl<'de> Deserialize<'de> for LogExpiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        config::number(deserializer).map(Self)
    }
}

/// Makes the partitions of the coming days, as wide as `expiry` asks for: how many. This waits
/// for everyone who is using the table, and everyone else waits behind it: set `lock_timeout`.
///
/// # Errors
/// The server refused, or gave up waiting.
pub async fn make_partitions(client: &Client, expiry: LogExpiry) -> Result<i32, Error> {
    let sql = "SELECT make_partitions($1::bigint * interval '1 hour')";
    Ok(client.query_one(sql, &[&expiry.hours()]).await?.get(0))
}

/// For how many seconds from now there are partitions.
pub const SECONDS_AHEAD: &str = "SELECT extract(epoch FROM min(lower_bound) - now())::bigint
                                 FROM log_partitions() WHERE upper_bound = 'infinity'";
