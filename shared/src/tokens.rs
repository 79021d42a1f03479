//! Secrets that open a way in: of nodes to ws-ingest, of clients to the query functions.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// Tokens, in a setting separated by commas. Only their digests are kept and compared, so that
/// the time that a comparison takes tells nothing of a token.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// Whether any token is asked for.
    #[must_use]
    pub fn are_required(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contain(&self, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.0.contains(&digest)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = String::deserialize(deserializer)?;
        list.split(',')
            .map(str::trim)
            .map(|token| {
                // What stands in a path and behind `Bearer` as it is (RFC 3986, RFC 6750).
                let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
                if !token.is_empty() && token.bytes().all(unreserved) {
                    Ok(Sha256::digest(token).into())
                } else {
                    Err(D::Error::custom("a token has letters, digits, `-`, `_`, `.` or `~`"))
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} hidden", self.0.len()))
    }
}
