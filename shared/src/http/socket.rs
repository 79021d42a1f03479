//! From a request to a WebSocket (RFC 6455): the handshake, and the stream behind it.

use std::future::Future;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Response;

/// The protocol that a browser offers beside its token, since it cannot send other headers.
const PROTOCOL: &str = "tetcore.feed";
/// What stands before the token, offered as a protocol.
const BEARER: &str = "bearer.";

/// What an upgraded connection is.
#[derive(Debug)]
pub struct Socket {
    /// The stream itself; for what travels on it see [`ws`](crate::ws).
    pub stream: TcpStream,
    /// What was read behind the handshake already.
    pub early: Bytes,
}

/// Whether the request asks for a WebSocket.
#[must_use]
pub fn is_upgrade<B>(request: &Request<B>) -> bool {
    fastwebsockets::upgrade::is_upgrade_request(request)
}

/// The answer to a handshake, and what comes of it; nothing where the client is gone by then.
///
/// # Errors
/// The handshake is not as RFC 6455 wants it.
pub fn upgrade<B>(
    request: &mut Request<B>,
) -> Result<(Response, impl Future<Output = Option<Socket>> + use<B>), fastwebsockets::WebSocketError>
{
    let protocol = offered(request.headers()).any(|offered| offered == PROTOCOL);
    let (response, upgrade) = fastwebsockets::upgrade::upgrade(request)?;
    let mut response = response.map(|_| Full::default());
    if protocol {
        let protocol = HeaderValue::from_static(PROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let socket = async {
        // Only the TCP stream is wanted: see `ws`.
        let upgraded = upgrade.await.ok()?.into_inner().into_inner();
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("the upgraded stream is no TCP stream");
            return None;
        };
        let stream = parts.io.into_inner();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        Some(Socket { stream, early: parts.read_buf })
    };
    Ok((response, socket))
}

/// The token among the protocols that a browser offers.
pub(super) fn offered_token(headers: &HeaderMap) -> Option<&str> {
    offered(headers).find_map(|offered| offered.strip_prefix(BEARER))
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
