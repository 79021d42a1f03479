//! A function's HTTP server: routes with typed parameters, JSON answers, problems (RFC 9457),
//! and the routes that every function has: `/healthz`, `/readyz` and `/metrics`.

mod params;
mod problem;
mod server;

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, StatusCode, Uri,
    header::{self, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    params::{Cursor, Limit, Time},
    problem::{Error, Result},
    server::{HEADER_TIMEOUT, bind, default_bind, default_port, retry_accept, serve},
};
use crate::metrics::Metrics;

/// An answer whose body is in memory.
pub type Response = hyper::Response<Full<Bytes>>;
/// A request whose body was not read.
pub type Request = hyper::Request<hyper::body::Incoming>;

type Handler =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Answer>> + Send>> + Send + Sync>;
type Measure = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Ready =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

/// Bodies from this size on are compressed where the client takes gzip.
const GZIP_FROM: usize = 1024;

/// What a function answers to which request.
pub struct Routes {
    metrics: Metrics,
    answers: crate::metrics::Http,
    handlers: matchit::Router<Handler>,
    ready: Option<Ready>,
    measure: Option<Measure>,
}

impl Routes {
    /// The routes that every function has.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.clone(),
            answers: crate::metrics::Http::new(metrics),
            handlers: matchit::Router::new(),
            ready: None,
            measure: None,
        }
    }

    /// Makes `/readyz` answer 200 only while `check` succeeds.
    #[must_use]
    pub fn ready<F, R>(mut self, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.ready = Some(Box::new(move || Box::pin(check())));
        self
    }

    /// Runs `measure` before `/metrics` is answered, for what is looked up rather than counted.
    #[must_use]
    pub fn measure<F, R>(mut self, measure: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.measure = Some(Box::new(move || Box::pin(measure())));
        self
    }

    /// Answers `GET path`. Parameters of the path and of the query become the fields of `P`;
    /// an unknown, repeated, missing or bad one is answered with a problem that names it.
    ///
    /// # Panics
    /// `path` is not a route, or one given twice: the first start fails.
    #[must_use]
    pub fn get<P, F, R>(mut self, path: &'static str, handler: F) -> Self
    where
        P: DeserializeOwned + Send,
        F: Fn(P) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |query| match params::parse(&query) {
            Ok(params) => Box::pin(handler(params)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        });
        #[expect(clippy::panic, reason = "a mistake in a main.rs, not in any input")]
        if let Err(error) = self.handlers.insert(path, handler) {
            panic!("route {path}: {error}");
        }
        self
    }

    /// Answers one request; what it does not know is a problem, too.
    pub async fn answer<B>(self: Arc<Self>, request: hyper::Request<B>) -> Response {
        let gzip = accepts_gzip(&request);
        let head = request.method() == Method::HEAD;
        let mut response = match self.dispatch(&request).await {
            Ok(answer) => answer.into_response(request.uri(), gzip),
            Err(error) => error.into_response(request.uri().path()),
        };
        if head {
            // The length stays: it is what GET would have sent.
            *response.body_mut() = Full::default();
        }
        self.answers.answers.with_label_values(&[response.status().as_str()]).inc();
        response
    }

    async fn dispatch<B>(&self, request: &hyper::Request<B>) -> Result<Answer> {
        let path = match request.uri().path().trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        let own = matches!(path, "/healthz" | "/readyz" | "/metrics");
        let route = self.handlers.at(path);
        if !own && route.is_err() {
            return Err(Error::NotFound);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Error::MethodNotAllowed("GET, HEAD"));
        }
        match (path, route) {
            ("/metrics", _) => {
                if let Some(measure) = &self.measure {
                    measure().await;
                }
                Ok(Answer::text(self.metrics.render()))
            }
            ("/readyz", _) => match &self.ready {
                Some(ready) => match ready().await {
                    Ok(()) => Ok(Answer::text("ready\n")),
                    Err(error) => Err(Error::Unavailable(error)),
                },
                None => Ok(Answer::text("ready\n")),
            },
            (_, Ok(route)) => {
                let mut query = request.uri().query().unwrap_or("").to_owned();
                for (name, value) in route.params.iter() {
                    // Still percent-encoded, as is the query it joins.
                    query.extend(["&", name, "=", value]);
                }
                (route.value)(query).await
            }
            _ => Ok(Answer::text("ok\n")),
        }
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    body: Bytes,
    content_type: &'static str,
    next: Option<Cursor>,
}

impl Answer {
    /// `value` as JSON.
    ///
    /// # Errors
    /// `value` has no JSON form.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(anyhow::Error::from)?;
        Ok(Self { body: body.into(), content_type: "application/json", next: None })
    }

    /// `rows` as a JSON array of at most `most_bytes`. Where there may be more of them, because
    /// there are `limit` or they did not fit, the answer links to what follows the last one in
    /// it, of which `cursor` tells the place.
    ///
    /// The first row is always in it, whatever its size.
    ///
    /// # Errors
    /// A row has no JSON form.
    pub fn page<T: Serialize>(
        rows: &[T],
        limit: usize,
        most_bytes: usize,
        cursor: impl FnOnce(&T) -> Cursor,
    ) -> Result<Self> {
        let mut body = vec![b'['];
        let mut taken = 0;
        for row in rows {
            let start = body.len();
            if taken > 0 {
                body.push(b',');
            }
            serde_json::to_writer(&mut body, row).map_err(anyhow::Error::from)?;
            if taken > 0 && body.len() + b"]".len() > most_bytes {
                body.truncate(start);
                break;
            }
            taken += 1;
        }
        body.push(b']');
        let more = taken < rows.len() || taken >= limit;
        let next = rows[..taken].last().filter(|_| more).map(cursor);
        Ok(Self { body: body.into(), content_type: "application/json", next })
    }

    fn text(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), content_type: "text/plain; charset=utf-8", next: None }
    }

    fn into_response(self, uri: &Uri, gzip: bool) -> Response {
        let compressed =
            (gzip && self.body.len() >= GZIP_FROM).then(|| compress(&self.body)).flatten();
        let encoded = compressed.is_some();
        let body = compressed.unwrap_or(self.body);
        let length = body.len();
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if encoded {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(cursor) = self.next
            && let Ok(link) = HeaderValue::from_str(&next_link(uri, cursor))
        {
            headers.insert(header::LINK, link);
        }
        response
    }
}

/// The same request for what follows `cursor` (RFC 8288).
fn next_link(uri: &Uri, cursor: Cursor) -> String {
    let mut query = String::new();
    let others =
        uri.query().unwrap_or("").split('&').filter(|parameter| {
            !parameter.is_empty() && parameter.split('=').next() != Some("cursor")
        });
    for parameter in others {
        query.push_str(parameter);
        query.push('&');
    }
    format!("<{}?{query}cursor={cursor}>; rel=\"next\"", uri.path())
}

fn accepts_gzip<B>(request: &hyper::Request<B>) -> bool {
    request
        .headers()
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            gzip && !parts.any(|part| part.replace(' ', "") == "q=0")
        })
}

fn compress(body: &[u8]) -> Option<Bytes> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(body.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// A plain answer, for servers with handlers of their own.
#[must_use]
pub fn plain(status: StatusCode, sentence: &str) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(format!("{sentence}\n"))));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
