//! The body of a request: one JSON object, of which PostgreSQL can store every part.

use std::{fmt::Display, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::{Error, Result};
use crate::message::{self, Reject};

/// The largest body that is read: what a managed balancer passes on, at most.
const MOST_BYTES: usize = 1_000_000;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body to its end.
pub(super) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Display,
{
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"))
        || headers.contains_key(header::CONTENT_ENCODING)
    {
        return Err(Error::UnsupportedMediaType);
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge(MOST_BYTES)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a body ended early");
            Err(Error::NotJson("the body ended early".to_owned()))
        }
        Err(_) => Err(Error::TooSlow),
    }
}

/// Reads a JSON object into `B`: the body of a request, or a message on a WebSocket.
///
/// # Errors
/// It is not what was expected; [`Error::detail`] says what, and names the member.
pub fn parse<B: DeserializeOwned>(body: &[u8]) -> Result<B> {
    // Whatever a message may not hold, no other stored JSON may either.
    match message::parse(&mut body.to_vec()) {
        Ok(message) if message.repaired => {
            return Err(Error::bad_body(None, "text never holds U+0000"));
        }
        Err(reject @ (Reject::NotJson | Reject::InvalidUtf8)) => {
            return Err(Error::NotJson(format!("this is no JSON ({reject})")));
        }
        Err(reject) => {
            return Err(Error::bad_body(None, &format!("expected a JSON object ({reject})")));
        }
        Ok(_) => {}
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let said = error.inner().to_string();
        // Where it stands in the text is of no use to a program's author.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        // serde names missing and unknown members in the message only.
        let name = match path.as_str() {
            "." => said.split('`').nth(1).map(str::to_owned),
            _ => Some(path),
        };
        Error::bad_body(name, said)
    })
}
