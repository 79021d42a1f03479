//! From an accepted socket to a WebSocket: addresses, tokens, limits and the handshake.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use hyper::{Method, StatusCode, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ppp::{HeaderResult, PartialResult as _, v1, v2};
use shared::{
    http::{self, HEADER_TIMEOUT, Request, Response, Routes, Socket},
    service::{Shutdown, TaskTracker},
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    admission::{self, Admission, Admitted, Pending, Refusal},
    config::Config,
    connection,
    context::Context,
};

/// Bytes of the head of a handshake.
const MOST_HEAD: usize = 16 << 10;
/// The longest PROXY header that is looked at: version 2 with some additions.
const MOST_PROXY_HEADER: usize = 1024;
/// Connections that are told to go at once when the process stops, and the pause to the next:
/// all of them reconnect, and should not all do so in the same second.
const WAVE: usize = 500;
const WAVE_PAUSE: Duration = Duration::from_millis(100);

/// Everything that a handshake needs.
pub struct Server {
    config: Config,
    context: Arc<Context>,
    admission: Arc<Admission>,
    routes: Arc<Routes>,
    lanes: usize,
    next_lane: AtomicUsize,
    connections: TaskTracker,
}

impl Server {
    /// A server that spreads connections over `lanes`.
    pub fn new(config: Config, context: Context, routes: Routes, lanes: usize) -> Arc<Self> {
        Arc::new(Self {
            admission: Arc::new(Admission::new(&config)),
            config,
            context: Arc::new(context),
            routes: Arc::new(routes),
            lanes,
            next_lane: AtomicUsize::new(0),
            connections: TaskTracker::new(),
        })
    }

    /// Accepts until `shutdown`.
    pub async fn accept(self: &Arc<Self>, listener: TcpListener, shutdown: &Shutdown) {
        loop {
            let (stream, peer) = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        http::retry_accept(&error).await;
                        continue;
                    }
                },
            };
            match self.admission.pending() {
                Some(pending) => {
                    tokio::spawn(Arc::clone(self).greet(stream, peer, pending));
                }
                None => self.count_refusal("max_pending_connections"),
            }
        }
    }

    /// Tells all connections to end, a wave after the other, and waits until they have.
    pub async fn end(&self) {
        while self.admission.end_some(WAVE) {
            sleep(WAVE_PAUSE).await;
        }
        self.connections.close();
        self.connections.wait().await;
    }

    /// Reads the head of the request, and answers it.
    async fn greet(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr, pending: Pending) {
        let peer = match timeout(HEADER_TIMEOUT, self.proxied(&mut stream, peer.ip())).await {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => {
                tracing::debug!(%error, "no handshake");
                return self.count_refusal("proxy_header");
            }
            Err(_) => return self.count_refusal("handshake_timeout"),
        };
        let service = service_fn(|request| {
            let server = Arc::clone(&self);
            async move {
                let mut response = server.answer(request, peer).await;
                // One request a connection. hyper's setting for that would also put a `close`
                // behind the `upgrade` of a handshake, which strict clients refuse.
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    let close = header::HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let result = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MOST_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        drop(pending);
        if let Err(error) = result {
            self.count_refusal(if error.is_timeout() {
                "handshake_timeout"
            } else {
                "bad_request"
            });
        }
    }

    /// The address in a trusted proxy's PROXY header, which is taken off the stream, or `peer`.
    async fn proxied(&self, stream: &mut TcpStream, peer: IpAddr) -> anyhow::Result<IpAddr> {
        /// A header that came in parts is looked at again after this time.
        const PAUSE: Duration = Duration::from_millis(10);
        if !self.config.trusted_proxies.contain(peer.to_canonical()) {
            return Ok(peer);
        }
        let mut bytes = [0; MOST_PROXY_HEADER];
        loop {
            let count = stream.peek(&mut bytes).await?;
            anyhow::ensure!(count > 0, "the proxy closed");
            let begins = |signature: &[u8]| {
                let length = count.min(signature.len());
                bytes[..length] == signature[..length]
            };
            if !begins(v2::PROTOCOL_PREFIX) && !begins(v1::PROTOCOL_PREFIX.as_bytes()) {
                return Ok(peer);
            }
            let header = HeaderResult::parse(&bytes[..count]);
            if header.is_incomplete() {
                anyhow::ensure!(count < bytes.len(), "a PROXY header is too long");
                sleep(PAUSE).await;
                continue;
            }
            let (length, address) = match header {
                HeaderResult::V1(header) => {
                    let header = header.context("a PROXY header of version 1")?;
                    let address = match header.addresses {
                        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
                        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
                        v1::Addresses::Unknown => None,
                    };
                    (header.header.len(), address)
                }
                HeaderResult::V2(header) => {
                    let header = header.context("a PROXY header of version 2")?;
                    let address = match header.addresses {
                        v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
                        v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
                        // A health check of the balancer's own.
                        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
                    };
                    (header.len(), address)
                }
            };
            stream.read_exact(&mut bytes[..length]).await?;
            return Ok(address.unwrap_or(peer));
        }
    }

    async fn answer(self: Arc<Self>, request: Request, peer: IpAddr) -> Response {
        let path = request.uri().path();
        let wants_upgrade = http::is_upgrade(&request);
        let audit = admission::audit(path, &self.config.ingest_tokens);
        match audit {
            _ if http::is_common(path) => Arc::clone(&self.routes).answer(request).await,
            Err(refusal @ Refusal::Token) => self.refuse(refusal),
            Err(refusal) if wants_upgrade => self.refuse(refusal),
            Err(_) => Arc::clone(&self.routes).answer(request).await,
            Ok(audit) if wants_upgrade => {
                let client = admission::client_address(
                    peer,
                    request.headers(),
                    &self.config.trusted_proxies,
                );
                let admitted = if self.context.ids.are_in_stock() {
                    self.admission.admit(client)
                } else {
                    Err(Refusal::NotReady)
                };
                match admitted {
                    Ok(admitted) => self.upgrade(request, admitted, audit),
                    Err(refusal) => self.refuse(refusal),
                }
            }
            Ok(_) => {
                let sentence = "This is a telemetry endpoint. Point a node at it with \
                                --telemetry-url 'ws://<this host>/ 1'.";
                let mut response = http::plain(StatusCode::UPGRADE_REQUIRED, sentence);
                if *request.method() != Method::GET && *request.method() != Method::HEAD {
                    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                    let allow = header::HeaderValue::from_static("GET");
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                let protocol = header::HeaderValue::from_static("websocket");
                response.headers_mut().insert(header::UPGRADE, protocol);
                response
            }
        }
    }

    fn upgrade(&self, mut request: Request, admitted: Admitted, audit: bool) -> Response {
        let (response, socket) = match http::upgrade(&mut request) {
            Ok(upgrade) => upgrade,
            Err(error) => {
                self.count_refusal("bad_handshake");
                return http::plain(StatusCode::BAD_REQUEST, &format!("{error}."));
            }
        };
        let context = Arc::clone(&self.context);
        let lane = self.next_lane.fetch_add(1, Relaxed) % self.lanes;
        self.connections.spawn(async move {
            if let Some(Socket { stream, early }) = socket.await {
                connection::serve(&context, stream, &early, admitted, audit, lane).await;
            }
        });
        response
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        self.count_refusal(refusal.reason());
        let mut response = http::plain(refusal.status(), refusal.sentence());
        if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = header::HeaderValue::from_static("10");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn count_refusal(&self, reason: &str) {
        self.context.metrics.refused.with_label_values(&[reason]).inc();
    }
}
