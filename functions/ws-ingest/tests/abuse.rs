//! Who means ill is cut off and counted, and everybody else is served meanwhile.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use serde_json::json;
use shared::testing::{Frame, Function, Node, eventually, ingest, masked, metric};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

const HANDSHAKE: &str = "Host: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

async fn counted(ingest: &Function, name: &str, reason: &str) -> i64 {
    let text = ingest.get("/metrics").await.text();
    metric(&text, &format!("{name}{{reason=\"{reason}\"}}"))
}

async fn refused(ingest: &Function, reason: &str) -> i64 {
    counted(ingest, "ingest_refused_connections_total", reason).await
}

async fn closed(ingest: &Function, reason: &str) -> i64 {
    counted(ingest, "ingest_connections_closed_total", reason).await
}

/// Sends a message, and waits for a sign that it was dealt with.
async fn assert_served(node: &mut Node) {
    node.send(r#"{"msg":"honest"}"#).await;
    node.frame(true, 9, b"still there?").await;
    let pong = Frame { opcode: 10, payload: b"still there?".to_vec() };
    loop {
        let frame = node.receive().await;
        assert!(frame.is_some(), "an honest node was cut off");
        if frame.as_ref() == Some(&pong) {
            return;
        }
    }
}

/// Keeps sending until `others` have ended: how often it was served.
async fn served_until<T: 'static>(node: &mut Node, others: &mut JoinSet<T>) -> usize {
    let mut served = 0;
    while served == 0 || !others.is_empty() {
        assert_served(node).await;
        served += 1;
        tokio::select! {
            Some(ended) = others.join_next() => drop(ended.unwrap()),
            () = sleep(Duration::from_millis(100)) => {}
        }
    }
    served
}

async fn stream_from(ip: &str, to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}

async fn node_from(ip: &str, to: &str, headers: &str) -> Result<Node, String> {
    Node::shake_hands(stream_from(ip, to).await, to, "/", headers).await
}

/// What comes back for these bytes, until the server closes.
async fn answer(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may close before it has read all of them.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// Sends one byte after the other, slowly, until the server closes.
async fn drip(mut stream: TcpStream, bytes: Vec<u8>) {
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        for byte in bytes {
            sleep(Duration::from_millis(500)).await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        panic!("a client that drips was never cut off");
    };
    let ended = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::select! {
        () = dripping => {}
        () = ended => {}
    }
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let ingest = ingest(&[
        ("CLIENT_TIMEOUT_S", "1"),
        ("HEARTBEAT_INTERVAL", "1"),
        ("TRUSTED_PROXIES", "127.0.0.2"),
    ])
    .await;
    let address = ingest.address();
    let mut honest = Node::connect(address, "/").await;
    let mut slow = JoinSet::new();
    let head = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n", "x".repeat(1000)).into_bytes();
    let proxied = format!("PROXY TCP4 {}", "1".repeat(1000)).into_bytes();
    for _ in 0..5 {
        // The limit is for all of the head: each byte that comes does not begin it anew.
        slow.spawn(drip(stream_from("127.0.0.1", address).await, head.clone()));
        slow.spawn(drip(stream_from("127.0.0.2", address).await, proxied.clone()));
        // A frame that breaks off.
        let mut node = Node::connect(address, "/").await;
        node.raw(&masked(true, 2, &[b'x'; 1000])[..500]).await;
        slow.spawn(async move { assert_eq!(node.close_code().await, Some(1001)) });
    }
    assert!(served_until(&mut honest, &mut slow).await > 10);
    assert_eq!(refused(&ingest, "handshake_timeout").await, 10);
    assert_eq!(closed(&ingest, "timeout").await, 5);
    assert_eq!(ingest.metric("ingest_connections").await, 1);
}

#[tokio::test]
async fn handshakes_that_never_come_take_up_only_so_much_room() {
    let ingest = ingest(&[("MAX_PENDING_CONNECTIONS", "8")]).await;
    let address = ingest.address();
    let before = refused(&ingest, "max_pending_connections").await;
    let mut honest = Node::connect(address, "/").await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // Those beyond are closed without a word, and whoever is in stays.
    for _ in 0..20 {
        assert_eq!(answer(address, b"").await, "");
        assert_served(&mut honest).await;
    }
    drop(silent);
    let _late =
        eventually("there is room again", async || Node::connect_with(address, "/", "").await.ok())
            .await;
    assert!(refused(&ingest, "max_pending_connections").await - before >= 28);
}

#[tokio::test]
async fn nobody_gets_more_connections_by_another_s_address() {
    let ingest = ingest(&[("MAX_CONNECTIONS_PER_IP", "2"), ("TRUSTED_PROXIES", "127.0.0.2")]).await;
    let address = ingest.address();
    let mut honest = node_from("127.0.0.9", address, "").await.unwrap();
    let mut open = Vec::new();
    let mut turned_away = 0;
    for number in 0..20 {
        for (ip, headers) in [
            // From nobody that is trusted, whatever it says of others.
            ("127.0.0.1", format!("X-Forwarded-For: 203.0.113.{number}\r\n")),
            // The proxy appends whom it sees, and what stands before is the client's.
            ("127.0.0.2", format!("X-Forwarded-For: 203.0.113.{number}, 198.51.100.1\r\n")),
            (
                "127.0.0.2",
                format!("X-Forwarded-For: 203.0.113.{number}\r\nX-Forwarded-For: 198.51.100.2\r\n"),
            ),
            (
                "127.0.0.2",
                format!("Forwarded: for=203.0.113.{number}\r\nX-Forwarded-For: 198.51.100.3\r\n"),
            ),
            // Of one that is trusted, too.
            ("127.0.0.2", "X-Forwarded-For: 127.0.0.2, 198.51.100.4\r\n".to_owned()),
        ] {
            match node_from(ip, address, &headers).await {
                Ok(node) => open.push(node),
                Err(answer) => {
                    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
                    turned_away += 1;
                }
            }
        }
        assert_served(&mut honest).await;
    }
    assert_eq!((open.len(), turned_away), (10, 90));
    assert_eq!(refused(&ingest, "max_connections_per_ip").await, 90);
    // An address of its own is let in all the same.
    let headers = "X-Forwarded-For: 198.51.100.5\r\n";
    assert_served(&mut node_from("127.0.0.2", address, headers).await.unwrap()).await;
}

#[tokio::test]
async fn who_floods_harms_nobody_else() {
    let ingest = ingest(&[("MAX_NODES_PER_CONNECTION", "3"), ("MAX_BYTES_PER_SECOND", "20_000")]);
    let ingest = ingest.await;
    let address = ingest.address();
    let mut honest = Node::connect(address, "/").await;

    // By the ids of nodes.
    let mut node = Node::connect(address, "/").await;
    for id in 0..1000_u64 {
        node.send(json!({ "id": id << 40, "payload": { "msg": "a" } }).to_string()).await;
        if id % 100 == 0 {
            assert_served(&mut honest).await;
        }
    }
    assert_served(&mut node).await;
    let reason = "too_many_nodes";
    // The message in between has no id, and so is one more node's.
    let rejected = counted(&ingest, "ingest_rejected_messages_total", reason).await;
    assert_eq!(rejected, 998);

    // By bytes.
    let mut floods = JoinSet::new();
    let flood = masked(true, 2, format!(r#"{{"msg":"{}"}}"#, "x".repeat(900)).as_bytes());
    for _ in 0..5 {
        let mut node = Node::connect(address, "/").await;
        let flood = flood.repeat(2000);
        floods.spawn(async move {
            node.raw(&flood).await;
            assert_eq!(node.close_code().await, Some(1008));
        });
    }
    served_until(&mut honest, &mut floods).await;
    assert_eq!(closed(&ingest, "max_bytes_per_second").await, 5);
}

#[tokio::test]
async fn a_head_that_is_malformed_or_too_large_is_refused() {
    let ingest = ingest(&[("INGEST_TOKENS", "s3cret")]).await;
    let address = ingest.address();
    let mut honest = Node::connect(address, "/s3cret").await;
    let get =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{HANDSHAKE}{headers}\r\n");
    let many = "X-Many: x\r\n".repeat(200);
    let malformed = [
        get("/s3cret", &format!("X-Long: {}\r\n", "x".repeat(64 << 10))),
        get("/s3cret", &many),
        get(&format!("/s3cret?{}", "x".repeat(64 << 10)), ""),
        get("/s3cret\0", ""),
        get("/s3cret audit", ""),
        get("/s3cret\rX-Forwarded-For: 192.0.2.1", ""),
        get("/s3cret", "X-Bad: a\0b\r\n"),
        get("/s3cret", "X-Bad: a\rX-Forwarded-For: 192.0.2.1\r\n"),
        get("/s3cret", "X Bad: a\r\n"),
        get("/s3cret", ": a\r\n"),
        get("/s3cret", " folded\r\n"),
        get("/s3cret", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        get("/s3cret", "Transfer-Encoding: gzip\r\n"),
        "GET /s3cret\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(),
    ];
    for request in &malformed {
        let answer = answer(address, request.as_bytes()).await;
        let shown: String = request.chars().take(100).collect();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer}");
        assert!(!answer.contains("192.0.2.1"), "{shown:?}: {answer}");
        assert_served(&mut honest).await;
    }
    let malformed = i64::try_from(malformed.len()).unwrap();
    assert_eq!(refused(&ingest, "bad_request").await, malformed);

    // A path is taken as it stands: nothing is decoded, and nothing resolved.
    let unknown = [
        "/s3cret%00",
        "/s3cret%0d%0aX: y",
        "/s3cret%2faudit",
        "/%733cret",
        "/x/../s3cret",
        "/./s3cret",
        "/\\s3cret",
        "/s3cret;a=b",
        "/?s3cret",
        "/audit?/s3cret",
        "http://s3cret/",
        "http://x@s3cret/audit",
    ];
    for path in unknown {
        let answer = answer(address, get(&path.replace(' ', "%20"), "").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        assert!(!answer.contains("X: y") && !answer.contains("s3cret"), "{path}: {answer}");
    }
    assert_eq!(refused(&ingest, "token").await, i64::try_from(unknown.len()).unwrap());
    let beyond = ["/s3cret/%00", "/s3cret/audit%00", "/s3cret/..", "/s3cret/audit/..", "/s3cret/x"];
    for path in beyond {
        let answer = answer(address, get(path, "").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    assert_eq!(refused(&ingest, "path").await, i64::try_from(beyond.len()).unwrap());
    // As a proxy may write it (RFC 9112, section 3.2.2).
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(get("http://elsewhere/s3cret/audit", "").as_bytes()).await.unwrap();
    let mut status = [0; 13];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101 ");
    assert_served(&mut honest).await;
}
