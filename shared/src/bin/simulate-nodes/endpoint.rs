//! Where nodes send to, and the handshake as they do it.

use std::{io, str::FromStr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use shared::testing::Rng;

const MAX_RESPONSE_HEAD: usize = 8 * 1024;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    authority: String,
    /// `authority` with a port.
    address: String,
    /// As typed: a node keeps a trailing slash, or the lack of one.
    path: String,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let rest = url.strip_prefix("ws://").ok_or("expected ws://host:port/path")?;
        if rest.contains(['?', '#', '@']) {
            return Err("nodes refuse a URL with a query, a fragment or a user");
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a URL has no spaces");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err("the host is missing");
        }
        let has_port = authority.rfind(':') > authority.rfind(']');
        let port = if has_port { "" } else { ":80" };
        Ok(Self {
            authority: authority.to_owned(),
            address: format!("{authority}{port}"),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

impl Endpoint {
    pub(crate) async fn dial(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Turns the stream into a WebSocket. What the server sends beyond its response is dropped with it.
    pub(crate) async fn upgrade(&self, stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
        let Self { authority, path, .. } = self;
        let key = websocket_key(rng);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;

        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 || head.len() > MAX_RESPONSE_HEAD {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if head.starts_with(b"HTTP/1.1 101 ") {
            return Ok(());
        }
        let status = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(io::Error::other(String::from_utf8_lossy(status).into_owned()))
    }
}

/// Base64 of 16 bytes: 21 digits, one that ends in four zero bits, and the padding.
fn websocket_key(rng: &mut Rng) -> String {
    let last = char::from(rng.pick(b"AQgw"));
    format!("{}{last}==", rng.text(BASE64, 21))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_kept_as_typed() {
        for (url, address, path) in [
            ("ws://localhost:8080", "localhost:8080", "/"),
            ("ws://127.0.0.1:8080/audit", "127.0.0.1:8080", "/audit"),
            ("ws://example.org/token/audit/", "example.org:80", "/token/audit/"),
            ("ws://[::1]/", "[::1]:80", "/"),
            ("ws://[::1]:8080/", "[::1]:8080", "/"),
        ] {
            let endpoint = url.parse::<Endpoint>();
            assert!(endpoint.is_ok_and(|it| it.address == address && it.path == path), "{url}");
        }
    }

    #[test]
    fn what_nodes_refuse_is_refused() {
        for url in [
            "http://a/",
            "wss://a/",
            "ws:///",
            "ws://a/?t=1",
            "ws://a/#b",
            "ws://u:p@a/",
            "ws://a/b c",
        ] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }
}
