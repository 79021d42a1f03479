//! Who gets a WebSocket from ws-ingest, and what everybody else is told.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use shared::testing::{
    Function, Node, Pipeline, Redis, eventually, get, ingest, masked, metric, request, unique,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

const WEBSOCKET: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

async fn refused(ingest: &Function, reason: &str) -> i64 {
    let text = ingest.get("/metrics").await.text();
    metric(&text, &format!("ingest_refused_connections_total{{reason=\"{reason}\"}}"))
}

/// A request for an upgrade, as bytes.
fn handshake(path: &str) -> String {
    let headers = WEBSOCKET.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// A stream from another address of this machine's.
async fn stream_from(ip: &str, to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}

async fn node_from(ip: &str, to: &str, headers: &str) -> Result<Node, String> {
    Node::shake_hands(stream_from(ip, to).await, to, "/", headers).await
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let ingest = ingest(&[]).await;
    let address = ingest.address();
    for path in ["/", "/audit", "/audit/"] {
        let answer = ingest.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["upgrade"]),
            (426, &"websocket".parse().unwrap())
        );
        assert!(answer.text().contains("--telemetry-url"), "{path}: {}", answer.text());
        let answer = request(address, "POST", path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"]),
            (405, &"GET".parse().unwrap())
        );
    }
    let answer = ingest.get("/submit").await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_u64()), (404, Some(404)));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(get(address, "/submit", &WEBSOCKET).await.status, 404);

    let with = |name: &str, value: &'static str| {
        WEBSOCKET.map(|(other, old)| (other, if other == name { value } else { old }))
    };
    for headers in [
        with("sec-websocket-key", ""),
        with("sec-websocket-version", ""),
        with("sec-websocket-version", "8"),
    ] {
        let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        assert_eq!(get(address, "/", &headers).await.status, 400, "{headers:?}");
    }
    assert_eq!((refused(&ingest, "path").await, refused(&ingest, "bad_handshake").await), (1, 3));
    // Whoever asks with all of it and a word in another case is let in.
    let node = Node::connect_with(address, "/", "connection: keep-alive\r\n").await;
    assert!(node.is_ok(), "{:?}", node.err());
}

#[tokio::test]
async fn without_a_token_nothing_is_read() {
    let redis = Redis::shared().url().replace("redis://", "redis://:passw0rd@");
    let settings =
        [("INGEST_TOKENS", "s3cret-1, s3cret-2"), ("REDIS_URL", &redis), ("RUST_LOG", "trace")];
    // A password that this Redis does not ask for: it is refused, and must not be in the log.
    let unready = Function::start("ws-ingest", &settings);
    let unready_answer = Node::connect_with(unready.address(), "/s3cret-1", "").await;
    assert!(unready_answer.is_err_and(|answer| answer.contains(" 503 ")));
    eventually("Redis refuses", || async { unready.log().contains("WARN").then_some(()) }).await;

    let pipeline = Pipeline::start_with(&[settings[0], settings[2]]);
    let refusals = [
        "/",
        "/audit",
        "/audit/",
        "/s3cret",
        "/s3cret-11",
        "/x/s3cret-1",
        "/audit/s3cret-1",
        "/S3CRET-1",
        "/other",
    ];
    for path in refusals {
        let mut stream = TcpStream::connect(pipeline.ingest.address()).await.unwrap();
        // What comes right behind the handshake must not be read either.
        let message = masked(true, 2, br#"{"msg":"a"}"#);
        stream.write_all(&[handshake(path).as_bytes(), &message].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    assert_eq!(get(pipeline.ingest.address(), "/s3cret-1/x", &WEBSOCKET).await.status, 404);
    assert_eq!(pipeline.ingest.get("/").await.status, 401, "a browser is told no more");
    assert_eq!(pipeline.ingest.get("/healthz").await.status, 200);

    let accepted = [
        ("/s3cret-1", false),
        ("/s3cret-2/", false),
        ("/s3cret-1/audit", true),
        ("/s3cret-2/audit/", true),
    ];
    for (path, audit) in accepted {
        pipeline.node(path).await.send(format!(r#"{{"msg":"a","audit":{audit}}}"#)).await;
    }
    pipeline.settle(4).await;
    let sql = "SELECT count(*) FROM tetcore_logs WHERE audit = (logs->'audit')::boolean";
    let right: i64 = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(right, 4);
    let refused = refused(&pipeline.ingest, "token").await;
    assert_eq!(usize::try_from(refused).unwrap(), refusals.len() + 1);
    for log in [pipeline.ingest.log(), unready.log()] {
        assert!(log.contains("2 hidden"), "{log}");
        assert!(!log.contains("s3cret") && !log.contains("passw0rd"), "{log}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    for (name, value) in [
        ("INGEST_TOKENS", "a,,b"),
        ("INGEST_TOKENS", "s3cret/x"),
        ("INGEST_TOKENS", "s3cret,audit"),
        ("INGEST_TOKENS", "s3cret x"),
        ("TRUSTED_PROXIES", "here"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("PORT", "70000"),
        ("BIND", "localhost"),
        ("WS_MAX_PAYLOAD", "1e3"),
        ("WS_MAX_PAYLOAD", "0"),
        ("WS_MAX_PAYLOAD", "268_435_457"),
        ("INGEST_BUFFER_BYTES", "1000"),
        ("HEARTBEAT_INTERVAL", "0"),
        ("CLIENT_TIMEOUT_S", "-1"),
        ("MAX_CONNECTIONS", "many"),
        ("MAX_NODES_PER_CONNECTION", "0"),
        ("DB_BATCH_SIZE", "0"),
        ("QUEUE_SHARDS", "0"),
        ("QUEUE_MAX_BYTES", " 1"),
        ("NUM_THREADS", "0"),
        ("RUST_LOG", "info=="),
        ("REDIS_URL", "http://s3cret@host"),
        ("REDIS_URL", ""),
    ] {
        let mut settings = BTreeMap::from([("REDIS_URL", "redis://127.0.0.1:1")]);
        settings.insert(name, value);
        let said = Function::refusal("ws-ingest", &settings.into_iter().collect::<Vec<_>>());
        assert!(said.contains(name), "{name}={value}: {said}");
        assert!(!said.contains("s3cret"), "{name}={value}: {said}");
    }
}

#[tokio::test]
async fn there_is_room_for_so_many_and_it_is_given_back() {
    let ingest = ingest(&[("MAX_CONNECTIONS", "2"), ("MAX_CONNECTIONS_PER_IP", "1")]).await;
    let address = ingest.address();
    let connect = |ip: &'static str| node_from(ip, address, "");

    let first = connect("127.0.0.1").await.unwrap();
    let refusal = connect("127.0.0.1").await.err().unwrap();
    assert!(refusal.starts_with("HTTP/1.1 429 "), "{refusal}");
    let _second = connect("127.0.0.2").await.unwrap();
    let refusal = connect("127.0.0.3").await.err().unwrap();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.to_lowercase().contains("retry-after: "), "{refusal}");
    assert_eq!(ingest.get("/healthz").await.status, 200, "a probe needs no place");
    assert_eq!(refused(&ingest, "max_connections").await, 1);
    assert_eq!(refused(&ingest, "max_connections_per_ip").await, 1);

    drop(first);
    let _third = eventually("a place is free", || async { connect("127.0.0.3").await.ok() }).await;
    let again = connect("127.0.0.1").await.err().unwrap();
    assert!(again.starts_with("HTTP/1.1 503 "), "{again}");
    assert_eq!(ingest.metric("ingest_connections").await, 2);
}

#[tokio::test]
async fn proxies_are_believed_only_where_they_are_trusted() {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let version_2 = |command: u8, family: u8, addresses: &[u8]| {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2, &[0x20 | command, family], &length, addresses].concat()
    };
    let version_1 = b"PROXY TCP4 203.0.113.1 192.0.2.1 40000 443\r\n".to_vec();
    let ipv4 = version_2(1, 0x11, &[203, 0, 113, 2, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb]);
    let mut addresses = [0; 36];
    addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    addresses[15] = 7;
    // With an addition (type 4: nothing) behind the addresses, as a balancer of AWS's sends.
    let ipv6 = version_2(1, 0x21, &[&addresses[..], &[4, 0, 2, 0, 0]].concat());
    let local = version_2(0, 0, &[]);

    let pipeline = Pipeline::start_with(&[("TRUSTED_PROXIES", "127.0.0.2, 127.0.1.0/24")]);
    let address = pipeline.ingest.address();
    let forwarded = |list: &str| format!("X-Forwarded-For: {list}\r\n");
    let cases: [(&str, &[u8], String, &str); 11] = [
        ("127.0.0.1", b"", String::new(), "127.0.0.1"),
        ("127.0.0.1", b"", forwarded("203.0.113.9"), "127.0.0.1"),
        ("127.0.0.2", b"", String::new(), "127.0.0.2"),
        ("127.0.0.2", b"", forwarded("203.0.113.9"), "203.0.113.9"),
        ("127.0.0.2", b"", forwarded("6.6.6.6, 203.0.113.9, 127.0.1.7"), "203.0.113.9"),
        ("127.0.1.7", b"", forwarded("6.6.6.6") + &forwarded("2001:db8::9"), "2001:db8::9"),
        ("127.0.0.2", &version_1, String::new(), "203.0.113.1"),
        ("127.0.0.2", &ipv4, String::new(), "203.0.113.2"),
        ("127.0.1.7", &ipv6, String::new(), "2001:db8::7"),
        ("127.0.0.2", &local, String::new(), "127.0.0.2"),
        // The balancer's own client is no proxy, so its list is not believed.
        ("127.0.0.2", &version_1, forwarded("203.0.113.9"), "203.0.113.1"),
    ];
    let mut expected = Vec::new();
    for (number, (ip, header, lines, client)) in cases.iter().enumerate() {
        // Whole, and in two parts cut at some place or other.
        for cut in [0, header.len() * (number + 1) / 12] {
            let mut stream = stream_from(ip, address).await;
            stream.set_nodelay(true).unwrap();
            let (first, second) = header.split_at(cut);
            for part in [first, second] {
                stream.write_all(part).await.unwrap();
                sleep(Duration::from_millis(30)).await;
            }
            let mut node = Node::shake_hands(stream, address, "/", lines).await.unwrap();
            node.send(format!(r#"{{"msg":"system.connected","network_id":"{number}"}}"#)).await;
            expected.push((number.to_string(), (*client).to_owned()));
        }
    }
    pipeline.settle(i64::try_from(expected.len()).unwrap()).await;
    let sql = "SELECT peer_id, ip_addr FROM peer_connections ORDER BY peer_id::int";
    let rows = pipeline.database.owner().await.query(sql, &[]).await.unwrap();
    let known: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(known, expected);

    // Nobody else's header is taken off, so what it begins is no request; nor is one believed that
    // is none.
    let untrusted: [(&str, &[u8]); 3] =
        [("127.0.0.1", &version_1), ("127.0.0.1", &ipv4), ("127.0.0.2", b"PROXY nonsense\r\n")];
    for (ip, header) in untrusted {
        let mut stream = stream_from(ip, address).await;
        stream.write_all(&[header, handshake("/").as_bytes()].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "{header:?}");
    }
    assert_eq!(refused(&pipeline.ingest, "proxy_header").await, 1);

    // The balancer's own health check, and one that only connects.
    drop(stream_from("127.0.0.2", address).await);
    let mut stream = stream_from("127.0.0.2", address).await;
    let probe = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(&[local, probe.to_vec()].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn limits_count_the_clients_behind_a_proxy() {
    let ingest = ingest(&[("TRUSTED_PROXIES", "127.0.0.2"), ("MAX_CONNECTIONS_PER_IP", "1")]).await;
    let connect = async |client: &str| {
        node_from("127.0.0.2", ingest.address(), &format!("X-Forwarded-For: {client}\r\n")).await
    };
    let _first = connect("203.0.113.1").await.unwrap();
    let _second = connect("203.0.113.2").await.unwrap();
    assert!(connect("203.0.113.1").await.is_err_and(|answer| answer.contains(" 429 ")));
}

#[tokio::test]
async fn what_every_function_answers() {
    // Never a database: there is no DATABASE_URL.
    let ingest = ingest(&[]).await;
    for path in ["/healthz", "/readyz", "/metrics", "/metrics/"] {
        eventually(path, || async { (ingest.get(path).await.status == 200).then_some(()) }).await;
        assert_eq!(request(ingest.address(), "POST", path, &[]).await.status, 405, "{path}");
    }
    let text = ingest.get("/metrics").await.text();
    assert!(text.contains("# HELP ingest_received_messages_total "), "{text}");
}

#[tokio::test]
async fn it_waits_for_redis() {
    let mut redis = Redis::start();
    redis.stop();
    let prefix = unique("test");
    let ingest =
        Function::start("ws-ingest", &[("REDIS_URL", &redis.url()), ("QUEUE_PREFIX", &prefix)]);
    assert_eq!(ingest.get("/healthz").await.status, 200);
    assert_eq!(ingest.get("/readyz").await.status, 503);
    let refusal = Node::connect_with(ingest.address(), "/", "").await.err().unwrap();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert_eq!(refused(&ingest, "not_ready").await, 1);

    redis.resume();
    eventually("it is ready", || async {
        (ingest.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    Node::connect(ingest.address(), "/").await.send(r#"{"msg":"a"}"#).await;
    eventually("the message is in Redis", || async {
        (ingest.metric("ingest_queued_messages_total").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nodes_take_their_time_to_shake_hands() {
    let ingest = ingest(&[("CLIENT_TIMEOUT_S", "1"), ("HEARTBEAT_INTERVAL", "1")]).await;
    let address = ingest.address();
    // As real nodes do: up to 5 s before the request, and as much before the first frame.
    let late = async {
        let stream = TcpStream::connect(address).await.unwrap();
        sleep(Duration::from_secs(6)).await;
        let mut node = Node::shake_hands(stream, address, "/", "").await.unwrap();
        sleep(Duration::from_secs(6)).await;
        node.send(r#"{"msg":"a"}"#).await;
        eventually("it is taken", || async {
            (ingest.metric("ingest_received_messages_total").await == 1).then_some(())
        })
        .await;
    };
    let never = async |opening: &[u8]| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let start = Instant::now();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "a handshake that never comes is waited for without end");
        let waited = start.elapsed().as_secs_f32();
        assert!((19.5..26.0).contains(&waited), "{waited} s");
    };
    tokio::join!(late, never(b""), never(b"GET / HTTP/1.1\r\nHost:"));
    assert_eq!(refused(&ingest, "handshake_timeout").await, 2);
}
