//! Who may connect, and how many of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hyper::{StatusCode, header::HeaderMap};
use shared::tokens::Tokens;
use tokio::sync::oneshot;

use crate::config::{Config, Networks};

/// Why a handshake gets no upgrade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The path has no token, or an unknown one.
    Token,
    /// There is nothing at the path.
    Path,
    /// As many connections are open as there may be.
    MaxConnections,
    /// As many are open from this address as there may be.
    MaxConnectionsPerIp,
    /// Redis has not been reached yet.
    NotReady,
}

impl Refusal {
    /// The metric's label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Path => "path",
            Self::MaxConnections => "max_connections",
            Self::MaxConnectionsPerIp => "max_connections_per_ip",
            Self::NotReady => "not_ready",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Path => StatusCode::NOT_FOUND,
            Self::MaxConnectionsPerIp => StatusCode::TOO_MANY_REQUESTS,
            Self::MaxConnections | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the answer says.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Token => "The path must begin with a valid token: /<token> or /<token>/audit.",
            Self::Path => "Telemetry is taken at / and at /audit.",
            Self::MaxConnections => "As many nodes are connected as may be; try again later.",
            Self::MaxConnectionsPerIp => "Too many connections are open from this address.",
            Self::NotReady => "Not ready yet; try again in a moment.",
        }
    }
}

/// Where a path leads: whether what is sent there is kept for ever.
pub fn audit(path: &str, tokens: &Tokens) -> Result<bool, Refusal> {
    let mut segments = path.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
    if tokens.are_required() && !segments.next().is_some_and(|token| tokens.contain(token)) {
        return Err(Refusal::Token);
    }
    match (segments.next(), segments.next()) {
        (None, _) => Ok(false),
        (Some("audit"), None) => Ok(true),
        _ => Err(Refusal::Path),
    }
}

/// The client's address: the peer's own, or what trusted proxies say of it. Of the list in
/// `X-Forwarded-For`, to which each proxy appends whom it sees, the last that is no trusted proxy
/// counts; what stands before it, anybody may have written.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let mut address = peer;
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect::<Vec<_>>();
    for hop in forwarded.into_iter().rev() {
        if !trusted.contain(address) {
            break;
        }
        match hop.parse() {
            Ok(parsed) => address = parsed,
            Err(_) => break,
        }
    }
    address.to_canonical()
}

/// Counts open connections, and knows how to end them.
pub struct Admission {
    most: usize,
    most_per_ip: usize,
    most_pending: usize,
    pending: AtomicUsize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    by_ip: HashMap<IpAddr, usize>,
    /// Dropping a sender tells its connection to end.
    enders: HashMap<u64, oneshot::Sender<()>>,
    next: u64,
}

impl Admission {
    /// With the limits of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            most: config.max_connections,
            most_per_ip: config.max_connections_per_ip,
            most_pending: config.max_pending_connections as usize,
            pending: AtomicUsize::new(0),
            open: Mutex::default(),
        }
    }

    /// Room for one more handshake, given back when it is dropped.
    pub fn pending(self: &Arc<Self>) -> Option<Pending> {
        let before = self.pending.fetch_add(1, Relaxed);
        let pending = Pending(Arc::clone(self));
        (before < self.most_pending).then_some(pending)
    }

    /// Room for one more connection from `ip`, given back when it is dropped.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.most > 0 && open.enders.len() >= self.most {
            return Err(Refusal::MaxConnections);
        }
        let from_ip = open.by_ip.entry(ip).or_default();
        if self.most_per_ip > 0 && *from_ip >= self.most_per_ip {
            return Err(Refusal::MaxConnectionsPerIp);
        }
        *from_ip += 1;
        let (ender, ending) = oneshot::channel();
        let key = open.next;
        open.next += 1;
        open.enders.insert(key, ender);
        Ok(Admitted { admission: Arc::clone(self), ip, key, ending })
    }

    /// Tells up to `most` connections to end: whether there was any left to tell.
    pub fn end_some(&self, most: usize) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<u64> = open.enders.keys().copied().take(most).collect();
        for key in &keys {
            open.enders.remove(key);
        }
        !keys.is_empty()
    }
}

/// A handshake under way.
pub struct Pending(Arc<Admission>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

/// An open connection's place.
pub struct Admitted {
    admission: Arc<Admission>,
    /// The client.
    pub ip: IpAddr,
    key: u64,
    /// Completes when the connection must end.
    pub ending: oneshot::Receiver<()>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.enders.remove(&self.key);
        if let Some(from_ip) = open.by_ip.get_mut(&self.ip) {
            *from_ip -= 1;
            if *from_ip == 0 {
                open.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tokens(list: &str) -> Tokens {
        serde_json::from_value(list.into()).unwrap()
    }

    #[test]
    fn paths_lead_where_the_contract_says() {
        let open = Tokens::default();
        for (path, expected) in [
            ("/", Ok(false)),
            ("/audit", Ok(true)),
            ("/audit/", Ok(true)),
            ("/other", Err(Refusal::Path)),
            ("/audit/x", Err(Refusal::Path)),
        ] {
            assert_eq!(audit(path, &open), expected, "{path}");
        }
        let closed = tokens("t0ken,other");
        for (path, expected) in [
            ("/", Err(Refusal::Token)),
            ("/audit", Err(Refusal::Token)),
            ("/t0ken", Ok(false)),
            ("/other/audit/", Ok(true)),
            ("/t0ke", Err(Refusal::Token)),
            ("/t0ken/x", Err(Refusal::Path)),
        ] {
            assert_eq!(audit(path, &closed), expected, "{path}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Networks = serde_json::from_value("10.0.0.0/8,::1".into()).unwrap();
        for (peer, forwarded, client) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.2.3.4", "198.51.100.7"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("::1", "2001:db8::7", "2001:db8::7"),
            ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let address = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(address.to_string(), client, "{peer} {forwarded}");
        }
    }
}
