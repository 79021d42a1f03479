//! Listening, accepting and ending in order.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Routes;
use crate::service::{Shutdown, TaskTracker};

/// How long a client may take to send the head of a request. A telemetry node is silent for up
/// to 5 s after connecting.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may lie idle between two requests, the head of the next one included.
/// Longer than balancers keep theirs (120 s in `terraform/balancer.tf`), so that they end it first:
/// else a request could meet an end that is on its way.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(150);
/// Connections that may wait to be accepted by a function that has no setting for it.
const BACKLOG: u32 = 1024;
/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may still take after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The default of `BIND`: every address of the machine.
#[must_use]
pub fn default_bind() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

/// The default of `PORT`.
#[must_use]
pub fn default_port() -> u16 {
    8080
}

/// Listens on `address` and `port`, 0 for any free one, and logs where.
///
/// # Errors
/// The address cannot be had.
pub fn bind(address: IpAddr, port: u16, backlog: Option<u32>) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind((address, port).into())?;
        socket.listen(backlog.unwrap_or(BACKLOG))
    };
    let listener = listen().with_context(|| format!("listening on {address} port {port}"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// Whether accepting goes on after `error`: at once for a client that went away, after a pause
/// when something has run out.
pub async fn retry_accept(error: &io::Error) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    );
    if !gone {
        tracing::warn!(%error, "accepting pauses");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Answers `routes` on `listener` until `shutdown`, then ends what is under way.
///
/// # Errors
/// None at present; what concerns one connection ends that connection only.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let routes = Arc::new(routes);
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    retry_accept(&error).await;
                    continue;
                }
            },
        };
        connections.spawn(converse(stream, Arc::clone(&routes), shutdown.clone()));
    }
    drop(listener);
    connections.close();
    routes.sockets.close();
    let ended = async {
        connections.wait().await;
        routes.sockets.wait().await;
    };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("requests were cut off");
    }
    Ok(())
}

async fn converse(stream: TcpStream, routes: Arc<Routes>, shutdown: Shutdown) {
    let service = service_fn(|request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}
