//! What went wrong, as `application/problem+json` (RFC 9457). Internals go to the log only.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use serde::Serialize;

use super::Response;
use crate::db::QueryError;

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
    /// No such route, or nothing there.
    NotFound,
    /// The route has other methods: these.
    MethodNotAllowed(&'static str),
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

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

impl Error {
    pub(super) fn into_response(self, path: &str) -> Response {
        let (status, detail) = match &self {
            Self::BadParameter { detail, .. } => (StatusCode::BAD_REQUEST, detail.clone()),
            Self::NotFound => (StatusCode::NOT_FOUND, "there is nothing at this path".to_owned()),
            Self::MethodNotAllowed(allowed) => {
                (StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allowed}"))
            }
            Self::Unavailable(error) => {
                tracing::warn!(path, error = format!("{error:#}"), "unavailable");
                let detail = "what this answer needs is away for a moment; try again";
                (StatusCode::SERVICE_UNAVAILABLE, detail.to_owned())
            }
            Self::Internal(error) => {
                tracing::error!(path, error = format!("{error:#}"), "internal error");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this is our fault; the log knows more".to_owned(),
                )
            }
        };
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &detail,
            parameter: match &self {
                Self::BadParameter { name, .. } => name.as_deref(),
                _ => None,
            },
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::MethodNotAllowed(allowed) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
