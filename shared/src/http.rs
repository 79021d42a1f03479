//! A function's HTTP server: routes with typed parameters, JSON answers, problems (RFC 9457),
//! and the routes that every function has: `/healthz`, `/readyz`, `/metrics` and `/openapi.json`.

mod answer;
mod body;
mod file;
mod guard;
mod openapi;
mod page;
mod params;
mod problem;
mod server;
mod socket;

use std::{
    fmt::Display,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use self::{answer::Answer, openapi::Operation, page::Format};
pub use self::{
    body::parse,
    file::File,
    guard::{Guards, Origins},
    page::Page,
    params::{Cursor, Id, Natural, Number, Time},
    problem::{Error, Result},
    server::{HEADER_TIMEOUT, IDLE_TIMEOUT, bind, default_bind, default_port, retry_accept, serve},
    socket::{Socket, is_upgrade, upgrade},
};
use crate::{metrics::Metrics, service::TaskTracker};

/// An answer whose body is in memory.
pub type Response = hyper::Response<Full<Bytes>>;
/// A request whose body was not read.
pub type Request = hyper::Request<hyper::body::Incoming>;

type Handled = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;
type Handler = Box<dyn Fn(Asked) -> Handled + Send + Sync>;
type SocketHandler = Arc<dyn Fn(Socket) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Measure = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Ready =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send + Sync>;

/// Bytes of an answer after which a page ends, where no setting says so.
const MOST_BYTES: usize = 1_000_000;
/// Who asks for metrics waits 10 s at most, and wants them just when something is wrong.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// What a handler is given.
struct Asked {
    /// The parameters of path and query, still percent-encoded.
    query: String,
    body: Bytes,
    format: Format,
    most_bytes: usize,
}

/// The handlers of one path.
struct Endpoint {
    path: String,
    get: Option<Handler>,
    post: Option<Handler>,
    socket: Option<SocketHandler>,
    /// Whether `get` answers with a list.
    lists: bool,
}

impl Endpoint {
    /// The methods that it takes, as `Allow` names them.
    fn allowed(&self) -> String {
        let mut methods = Vec::new();
        if self.get.is_some() {
            methods.extend(["GET", "HEAD"]);
        } else if self.socket.is_some() {
            methods.push("GET");
        }
        if self.post.is_some() {
            methods.push("POST");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

/// What a function answers to which request.
pub struct Routes {
    name: &'static str,
    metrics: Metrics,
    answers: crate::metrics::Http,
    guards: Guards,
    most_bytes: usize,
    endpoints: Vec<Endpoint>,
    places: matchit::Router<usize>,
    operations: Vec<Operation>,
    headers: Vec<(HeaderName, HeaderValue)>,
    ready: Option<Ready>,
    measure: Option<Measure>,
    sockets: TaskTracker,
}

/// Whether every function answers this path.
#[must_use]
pub fn is_common(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/healthz" | "/readyz" | "/metrics" | "/openapi.json")
}

impl Routes {
    /// The routes that every function has, for the function `name`.
    #[must_use]
    pub fn new(name: &'static str, metrics: &Metrics) -> Self {
        Self {
            name,
            metrics: metrics.clone(),
            answers: crate::metrics::Http::new(metrics),
            guards: Guards::default(),
            most_bytes: MOST_BYTES,
            endpoints: Vec::new(),
            places: matchit::Router::new(),
            operations: Vec::new(),
            headers: Vec::new(),
            ready: None,
            measure: None,
            sockets: TaskTracker::new(),
        }
    }

    /// Lets requests for the function's own routes pass these guards only.
    #[must_use]
    pub fn guarded(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }

    /// Ends pages after so many bytes.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Adds a header to every answer, whatever becomes of the request.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
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

    /// Answers `GET path` with a document. Parameters of the path and of the query become the
    /// fields of `P`, whose documentation describes the route; an unknown, repeated, missing or
    /// bad one is answered with a problem that names it.
    ///
    /// # Panics
    /// `path` is not a route, or one given twice: the first start fails.
    #[must_use]
    pub fn get<P, T, F, R>(mut self, path: &'static str, handler: F) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema,
        F: Fn(P) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        self.operations.push(Operation::get::<P, T>(path, false));
        self.endpoint(path).get = Some(Box::new(move |asked| {
            let document = params::parse(&asked.query).map(&handler);
            Box::pin(async move { Answer::json(&document?.await?) })
        }));
        self
    }

    /// Answers `GET path` with a list, page by page, in the format that the client asks for; else
    /// as [`get`](Self::get).
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    #[must_use]
    pub fn list<P, T, K, F>(mut self, path: &'static str, handler: F) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema + Send + Sync + 'static,
        K: Clone + Display + Send + Sync + 'static,
        F: Fn(P) -> Page<T, K> + Send + Sync + 'static,
    {
        let operation = Operation::get::<P, T>(path, true);
        let columns: Arc<[String]> = operation.columns().into();
        self.operations.push(operation);
        let endpoint = self.endpoint(path);
        endpoint.lists = true;
        endpoint.get = Some(Box::new(move |asked| {
            let page = params::parse(&asked.query).map(&handler);
            let columns = Arc::clone(&columns);
            Box::pin(async move { page?.answer(asked.format, &columns, asked.most_bytes).await })
        }));
        self
    }

    /// Answers `POST path`: the body becomes `B`, whose documentation describes the route, and
    /// what is made of it a document.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    #[must_use]
    pub fn post<B, T, F, R>(mut self, path: &'static str, handler: F) -> Self
    where
        B: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema,
        F: Fn(B) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        self.operations.push(Operation::post::<B, T>(path));
        self.endpoint(path).post = Some(Box::new(move |asked| {
            let made = params::parse(&asked.query)
                .and_then(|params::Nothing {}| body::parse(&asked.body))
                .map(&handler);
            Box::pin(async move { Ok(Answer::json(&made?.await?)?.created()) })
        }));
        self
    }

    /// Answers `GET path` with a file, whatever the query says: it is for whoever opened the file.
    /// Files are no part of the description.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    #[must_use]
    pub fn file(mut self, path: &str, file: File) -> Self {
        self.endpoint(path).get = Some(Box::new(move |_| {
            let answer = file.answer();
            Box::pin(async { Ok(answer) })
        }));
        self
    }

    /// Upgrades `GET path` to a WebSocket, which `handler` has until it ends. Without an upgrade the
    /// answer is 426. OpenAPI has no words for it.
    ///
    /// # Panics
    /// As for [`get`](Self::get).
    #[must_use]
    pub fn socket<F, R>(mut self, path: &'static str, handler: F) -> Self
    where
        F: Fn(Socket) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.endpoint(path).socket = Some(Arc::new(move |socket| Box::pin(handler(socket))));
        self
    }

    /// What is answered at `path`, nothing yet where it is new.
    #[expect(clippy::panic, reason = "a mistake in a main.rs, not in any input")]
    fn endpoint(&mut self, path: &str) -> &mut Endpoint {
        let known = self.endpoints.iter().position(|endpoint| endpoint.path == path);
        let index = known.unwrap_or_else(|| {
            if let Err(error) = self.places.insert(path, self.endpoints.len()) {
                panic!("route {path}: {error}");
            }
            let endpoint = Endpoint {
                path: path.to_owned(),
                get: None,
                post: None,
                socket: None,
                lists: false,
            };
            self.endpoints.push(endpoint);
            self.endpoints.len() - 1
        });
        &mut self.endpoints[index]
    }

    /// Answers one request; what it does not know is a problem, too.
    pub async fn answer<B>(self: Arc<Self>, request: hyper::Request<B>) -> Response
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Display,
    {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let request_id = guard::request_id(&head.headers);
        let mut response = match self.dispatch(&head, body).await {
            Ok(Reply::Answer(answer)) => answer.into_response(&head.uri, &head.headers),
            Ok(Reply::Options(allowed)) => options(&allowed),
            Ok(Reply::Upgrade(response)) => response,
            Err(error) => {
                error.log(path, &request_id);
                error.into_response()
            }
        };
        self.guards.share(&head.method, &head.headers, &mut response);
        if head.method == Method::HEAD {
            // The length stays: it is what GET would have sent.
            *response.body_mut() = Full::default();
        }
        tracing::debug!(
            method = %head.method,
            path,
            status = response.status().as_u16(),
            request_id,
            duration_us = start.elapsed().as_micros(),
            "answered"
        );
        response.headers_mut().extend(self.headers.iter().cloned());
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(guard::REQUEST_ID, id);
        }
        self.answers.answers.with_label_values(&[response.status().as_str()]).inc();
        response
    }

    async fn dispatch<B>(&self, head: &hyper::http::request::Parts, body: B) -> Result<Reply>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Display,
    {
        let path = match head.uri.path().trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        if is_common(path) {
            return match head.method {
                Method::GET | Method::HEAD => self.common(path).await.map(Reply::Answer),
                Method::OPTIONS => Ok(Reply::Options("GET, HEAD, OPTIONS".to_owned())),
                _ => Err(Error::MethodNotAllowed("GET, HEAD, OPTIONS".to_owned())),
            };
        }
        let place = self.places.at(path).map_err(|_| Error::NotFound("path"))?;
        let endpoint = &self.endpoints[*place.value];
        if let Some(handler) = &endpoint.socket
            && head.method == Method::GET
        {
            return self.upgrade(head, handler).map(Reply::Upgrade);
        }
        let handler = match head.method {
            Method::GET | Method::HEAD => endpoint.get.as_ref(),
            Method::POST => endpoint.post.as_ref(),
            Method::OPTIONS => return Ok(Reply::Options(endpoint.allowed())),
            _ => None,
        };
        let handler = handler.ok_or_else(|| Error::MethodNotAllowed(endpoint.allowed()))?;
        let _room = self.guards.admit(&head.headers)?;

        let is_list = endpoint.lists && head.method != Method::POST;
        let (mut query, format) = match head.uri.query().unwrap_or("") {
            query if is_list => wanted(query, &head.headers)?,
            query => (query.to_owned(), Format::Json),
        };
        for (name, value) in place.params.iter() {
            query.extend(["&", name, "=", &escaped(value)]);
        }
        let body = if head.method == Method::POST {
            body::read(&head.headers, body).await?
        } else {
            Bytes::new()
        };
        // The log has the panic itself, and the client an answer.
        let asked = Asked { query, body, format, most_bytes: self.most_bytes };
        let outcome = AssertUnwindSafe(async { handler(asked).await }).catch_unwind().await;
        outcome
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the handler panicked").into()))
            .map(Reply::Answer)
    }

    fn upgrade(
        &self,
        head: &hyper::http::request::Parts,
        handler: &SocketHandler,
    ) -> Result<Response> {
        let mut request = hyper::Request::from_parts(head.clone(), ());
        if !is_upgrade(&request) {
            return Err(Error::UpgradeRequired);
        }
        if !self.guards.welcome(&head.headers) {
            return Err(Error::OtherOrigin);
        }
        let room = self.guards.admit(&head.headers)?;
        let (response, socket) =
            upgrade(&mut request).map_err(|error| Error::BadHandshake(error.to_string()))?;
        let handler = Arc::clone(handler);
        self.sockets.spawn(async move {
            if let Some(socket) = socket.await {
                handler(socket).await;
            }
            drop(room);
        });
        Ok(response)
    }

    async fn common(&self, path: &str) -> Result<Answer> {
        match path {
            "/metrics" => {
                if let Some(measure) = &self.measure {
                    measure().await;
                }
                self.answers.ready.set(self.is_ready().await.into());
                Ok(Answer::text(self.metrics.render()))
            }
            "/openapi.json" => Answer::json(&self.description()),
            "/readyz" => match &self.ready {
                Some(ready) => match ready().await {
                    Ok(()) => Ok(Answer::text("ready\n")),
                    Err(error) => Err(Error::Unavailable(error)),
                },
                None => Ok(Answer::text("ready\n")),
            },
            _ => Ok(Answer::text("ok\n")),
        }
    }

    /// Whether it has what it needs; not where that takes long to find out.
    async fn is_ready(&self) -> bool {
        match &self.ready {
            Some(ready) => matches!(timeout(READY_WITHIN, ready()).await, Ok(Ok(()))),
            None => true,
        }
    }

    /// The function's own routes, as `/openapi.json` describes them.
    fn description(&self) -> serde_json::Value {
        openapi::document(self.name, &self.operations, self.guards.ask_for_token())
    }
}

/// What is sent where nothing is wrong.
enum Reply {
    Answer(Answer),
    /// The methods of a path.
    Options(String),
    /// To a WebSocket.
    Upgrade(Response),
}

/// The query without `format`, and the format that it or `Accept` asks for.
fn wanted(query: &str, headers: &HeaderMap) -> Result<(String, Format)> {
    let (formats, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| pair.split('=').next() == Some("format"));
    if formats.len() > 1 {
        return Err(Error::bad_parameter("format", "given more than once"));
    }
    let format = formats.first().map(|pair| pair.split_once('=').map_or("", |(_, value)| value));
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    Ok((others.join("&"), Format::negotiate(format, accept)?))
}

/// A segment of a path, as it would stand in a query: there, some characters mean something.
fn escaped(segment: &str) -> String {
    segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D")
}

fn options(allowed: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use http_body_util::Empty;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_and_the_next_request_is_served() {
        #[derive(serde::Deserialize, JsonSchema)]
        struct Params {
            number: u32,
        }
        let routes = Routes::new("test", &Metrics::default()).get("/", async |params: Params| {
            assert!(params.number > 0, "a mistake of ours");
            Ok(params.number)
        });
        let routes = Arc::new(routes);
        for (number, status) in [(0, 500), (1, 200)] {
            let request = hyper::Request::get(format!("/?number={number}"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            assert_eq!(Arc::clone(&routes).answer(request).await.status(), status);
        }
    }
}
