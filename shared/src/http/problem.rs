//! What went wrong, as `application/problem+json` (RFC 9457). Internals go to the log only.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Response;
use crate::db::QueryError;

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The result of answering a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request has no answer.
#[derive(Debug)]
pub enum Error {
    /// A parameter is missing, unknown, or not what was expected.
    BadParameter {
        /// The parameter, where it can be named.
        name: Option<String>,
        /// What is wrong, and what was expected.
        detail: String,
    },
    /// A member of the body is missing, unknown, or not what was expected.
    BadBody {
        /// The member, where it can be named.
        name: Option<String>,
        /// What is wrong, and what was expected.
        detail: String,
    },
    /// The body is no JSON at all: why.
    NotJson(String),
    /// The body is not declared as JSON, or is encoded.
    UnsupportedMediaType,
    /// The body has more bytes than these.
    TooLarge(usize),
    /// The body did not arrive in time.
    TooSlow,
    /// A member of the body names something that is not there.
    Conflict {
        /// The member.
        name: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// No such route, or nothing there: what is missing.
    NotFound(&'static str),
    /// The route has other methods: these.
    MethodNotAllowed(String),
    /// The client takes none of the formats that there are.
    NotAcceptable,
    /// No token, or a wrong one.
    Unauthorized,
    /// The path is for WebSockets.
    UpgradeRequired,
    /// The handshake of a WebSocket is wrong: how.
    BadHandshake(String),
    /// A page of another site asks for a WebSocket.
    OtherOrigin,
    /// As many requests are under way as may be.
    Busy,
    /// Something this function needs is away; trying again helps.
    Unavailable(anyhow::Error),
    /// A fault of ours.
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        if error.is_transient() {
            Self::Unavailable(error.into())
        } else {
            Self::Internal(error.into())
        }
    }
}

impl QueryError {
    /// The answer to a body whose member `name` names a row that is not there, if that is why.
    #[must_use]
    pub fn or_missing(self, name: &'static str) -> Error {
        if self.is_missing_reference() {
            Error::Conflict { name, detail: format!("`{name}`: there is nothing of this number") }
        } else {
            self.into()
        }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

/// The schema of a problem.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What is wrong, and what was expected" },
            "parameter": { "type": "string", "description": "The parameter or the body's member" },
        },
    })
}

impl Error {
    pub(super) fn bad_parameter(name: &str, said: &str) -> Self {
        Self::BadParameter { name: Some(name.to_owned()), detail: naming(Some(name), said) }
    }

    /// A body of which `name`, or all of it, is not as expected.
    #[must_use]
    pub fn bad_body(name: Option<String>, said: &str) -> Self {
        let detail = naming(name.as_deref(), said);
        Self::BadBody { name, detail }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadParameter { .. } | Self::NotJson(_) | Self::BadHandshake(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BadBody { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::OtherOrigin => StatusCode::FORBIDDEN,
            Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is wrong, and what was expected: a sentence for the client.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::BadParameter { detail, .. }
            | Self::BadBody { detail, .. }
            | Self::Conflict { detail, .. }
            | Self::NotJson(detail) => detail.clone(),
            Self::UnsupportedMediaType => {
                "expected a body of `Content-Type: application/json`, without an encoding"
                    .to_owned()
            }
            Self::TooLarge(most) => format!("expected a body of at most {most} bytes"),
            Self::TooSlow => "the body did not arrive in time".to_owned(),
            Self::NotFound(what) => format!("there is no such {what}"),
            Self::MethodNotAllowed(allowed) => format!("this path takes {allowed}"),
            Self::NotAcceptable => {
                "this answer comes as application/json, application/x-ndjson or text/csv".to_owned()
            }
            Self::Unauthorized => "expected `Authorization: Bearer` and a valid token".to_owned(),
            Self::UpgradeRequired => "expected a WebSocket".to_owned(),
            Self::OtherOrigin => "pages of this `Origin` may not read here".to_owned(),
            Self::BadHandshake(why) => format!("the handshake is wrong: {why}"),
            Self::Busy => "too many requests are under way; try again".to_owned(),
            Self::Unavailable(_) => {
                "what this answer needs is away for a moment; try again".to_owned()
            }
            Self::Internal(_) => "this is our fault; the log knows more".to_owned(),
        }
    }

    fn parameter(&self) -> Option<&str> {
        match self {
            Self::BadParameter { name, .. } | Self::BadBody { name, .. } => name.as_deref(),
            Self::Conflict { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The header that goes with the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some(match self {
            Self::MethodNotAllowed(allowed) => {
                (header::ALLOW, HeaderValue::from_str(allowed).ok()?)
            }
            Self::UpgradeRequired => (header::UPGRADE, HeaderValue::from_static("websocket")),
            Self::Unauthorized => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::Busy | Self::Unavailable(_) => {
                (header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => return None,
        })
    }

    /// Logs what only we can mend.
    pub(super) fn log(&self, path: &str, request_id: &str) {
        match self {
            Self::Unavailable(error) => {
                tracing::warn!(path, request_id, error = format!("{error:#}"), "unavailable");
            }
            Self::Internal(error) => {
                tracing::error!(path, request_id, error = format!("{error:#}"), "internal error");
            }
            _ => {}
        }
    }

    pub(super) fn into_response(self) -> Response {
        let (status, detail) = (self.status(), self.detail());
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &detail,
            parameter: self.parameter(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header());
        response
    }
}

/// `said`, which names `name` at its beginning unless it does so itself.
pub(super) fn naming(name: Option<&str>, said: &str) -> String {
    match name {
        Some(name) if !said.contains(&format!("`{name}`")) => format!("`{name}`: {said}"),
        _ => said.to_owned(),
    }
}
