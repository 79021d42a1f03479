//! Who may ask, from where, and how many at once.

use std::sync::Arc;

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, Response, Result, socket::offered_token};
use crate::tokens::Tokens;

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE_S: u16 = 600;
/// What a page of another origin may send and read.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-none-match, x-request-id");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, link, retry-after, x-request-id");

/// What a request must pass before it is answered.
#[derive(Clone)]
pub struct Guards {
    tokens: Tokens,
    origins: Origins,
    at_once: Arc<Semaphore>,
}

impl Guards {
    /// With these tokens and origins, and so many requests at once.
    #[must_use]
    pub fn new(tokens: Tokens, origins: Origins, at_once: usize) -> Self {
        let at_once = at_once.min(Semaphore::MAX_PERMITS);
        Self { tokens, origins, at_once: Arc::new(Semaphore::new(at_once)) }
    }

    pub(super) fn ask_for_token(&self) -> bool {
        self.tokens.are_required()
    }

    /// Room for a request, which must bring a token where one is asked for.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<OwnedSemaphorePermit> {
        if self.tokens.are_required()
            && !bearer(headers)
                .or_else(|| offered_token(headers))
                .is_some_and(|token| self.tokens.contain(token))
        {
            return Err(Error::Unauthorized);
        }
        Arc::clone(&self.at_once).try_acquire_owned().map_err(|_| Error::Busy)
    }

    /// Whether a page of the request's origin may open a WebSocket here, which browsers let every
    /// page do (RFC 6455, section 10.2): one of the same host, or of an allowed origin. Clients
    /// that are no browsers have none.
    pub(super) fn welcome(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_ascii_lowercase);
        let host = headers.get(header::HOST).and_then(text);
        let is_own = text(origin).is_some_and(|origin| {
            origin.split_once("://").is_some_and(|(_, from)| host.as_deref() == Some(from))
        });
        is_own || self.origins.allow(origin).is_some()
    }

    /// Lets a page of an allowed origin read the response (the Fetch standard's CORS protocol).
    pub(super) fn share(&self, method: &Method, asked: &HeaderMap, response: &mut Response) {
        let Some(origin) = asked.get(header::ORIGIN) else {
            return;
        };
        let headers = response.headers_mut();
        if !matches!(self.origins, Origins::None | Origins::Any) {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let Some(allowed) = self.origins.allow(origin) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let preflight = asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if *method == Method::OPTIONS && preflight {
            let methods = headers.get(header::ALLOW).cloned();
            let methods = methods.unwrap_or(HeaderValue::from_static("GET"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S.into());
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
}

/// No token, no other origin, no limit: for functions without data of their own.
impl Default for Guards {
    fn default() -> Self {
        Self::new(Tokens::default(), Origins::None, Semaphore::MAX_PERMITS)
    }
}

/// The token behind `Authorization: Bearer` (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The sites whose pages may read answers: none, those in a list separated by commas, or with
/// `*` all.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Origins {
    /// Pages of the same origin only.
    #[default]
    None,
    /// Of every site.
    Any,
    /// Of these, as `https://host` or `https://host:port`.
    These(Vec<HeaderValue>),
}

impl Origins {
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::These(origins) => origins.contains(origin).then(|| origin.clone()),
        }
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = String::deserialize(deserializer)?;
        if list.trim() == "*" {
            return Ok(Self::Any);
        }
        list.split(',')
            .map(str::trim)
            .map(|origin| {
                let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
                let fits =
                    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '@']));
                HeaderValue::from_str(origin).ok().filter(|_| fits).ok_or_else(|| {
                    D::Error::custom(format!("`{origin}` is no origin such as https://example.org"))
                })
            })
            .collect::<Result<_, _>>()
            .map(Self::These)
    }
}

impl Serialize for Origins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Any => serializer.serialize_str("*"),
            Self::These(origins) => {
                serializer.collect_seq(origins.iter().filter_map(|origin| origin.to_str().ok()))
            }
        }
    }
}

/// Names a request in the log and in its answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;

/// The id that the client or a balancer gave the request, if it is a plain one; else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= LONGEST_REQUEST_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=;:".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain);
    given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}
