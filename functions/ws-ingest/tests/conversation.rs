//! What happens on a WebSocket once it is open.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use fastwebsockets::{FragmentCollector, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::{Request, body::Bytes};
use serde_json::json;
use shared::testing::{Frame, Function, Node, Pipeline, eventually, ingest, masked, metric};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// A server that loses patience soon.
async fn hasty() -> Function {
    ingest(&[("CLIENT_TIMEOUT_S", "1"), ("HEARTBEAT_INTERVAL", "1")]).await
}

async fn received(ingest: &Function, messages: i64) {
    eventually("all messages are read", || async {
        (ingest.metric("ingest_received_messages_total").await == messages).then_some(())
    })
    .await;
}

async fn closed(ingest: &Function, reason: &str) -> i64 {
    let text = ingest.get("/metrics").await.text();
    metric(&text, &format!("ingest_connections_closed_total{{reason=\"{reason}\"}}"))
}

/// Sends a ping, and waits until it comes back: everything before it was dealt with.
async fn echo(node: &mut Node, payload: &[u8]) {
    node.frame(true, 9, payload).await;
    let pong = Frame { opcode: 10, payload: payload.to_vec() };
    let answered = async {
        while let Some(frame) = node.receive().await {
            if frame == pong {
                return true;
            }
            assert_eq!(frame, Frame { opcode: 9, payload: Vec::new() }, "only heartbeats between");
        }
        false
    };
    assert!(timeout(Duration::from_secs(10), answered).await.unwrap(), "the pong came");
}

#[tokio::test]
async fn whoever_sends_is_alive_though_it_never_reads() {
    let ingest = hasty().await;
    let mut node = Node::connect(ingest.address(), "/").await;
    for _ in 0..15 {
        node.send(r#"{"msg":"a"}"#).await;
        sleep(Duration::from_millis(600)).await;
    }
    received(&ingest, 15).await;
    // Half of a message is a sign of life, too.
    let slow = masked(true, 2, format!(r#"{{"msg":"{}"}}"#, "x".repeat(300)).as_bytes());
    for part in slow.chunks(slow.len().div_ceil(4)) {
        node.raw(part).await;
        sleep(Duration::from_millis(600)).await;
    }
    received(&ingest, 16).await;
    assert_eq!(ingest.metric("ingest_connections").await, 1);

    let silent_since = Instant::now();
    assert_eq!(node.close_code().await, Some(1001));
    assert!(silent_since.elapsed() < Duration::from_secs(3));
    assert_eq!(closed(&ingest, "timeout").await, 1);
}

#[tokio::test]
async fn heartbeats_come_regularly_and_pings_are_answered() {
    let ingest = hasty().await;
    let mut node = Node::connect(ingest.address(), "/").await;
    let start = Instant::now();
    for _ in 0..3 {
        let frame = node.receive().await.unwrap();
        assert_eq!(frame, Frame { opcode: 9, payload: Vec::new() });
    }
    let three_beats = start.elapsed().as_secs_f32();
    assert!((2.5..4.5).contains(&three_beats), "{three_beats} s");
    for payload in [&b""[..], b"are you there?", &[0xff; 125]] {
        echo(&mut node, payload).await;
    }
    // A node that is busy is asked as well.
    let mut beats = 0;
    let start = Instant::now();
    while beats < 2 {
        node.send(r#"{"msg":"a"}"#).await;
        beats += usize::from(timeout(Duration::from_millis(50), node.receive()).await.is_ok());
        assert!(start.elapsed() < Duration::from_secs(10), "no heartbeats while messages come");
    }
}

#[tokio::test]
async fn a_client_may_close() {
    let ingest = ingest(&[]).await;
    for payload in [&b""[..], &1000_u16.to_be_bytes(), b"\x03\xe8bye"] {
        let mut node = Node::connect(ingest.address(), "/").await;
        node.send(r#"{"msg":"a"}"#).await;
        node.frame(true, 8, payload).await;
        assert_eq!(node.close_code().await, Some(1000));
        assert_eq!(node.receive().await, None, "then the connection ends");
    }
    received(&ingest, 3).await;
    assert_eq!(closed(&ingest, "client_close").await, 3);
}

#[tokio::test]
async fn what_the_protocol_forbids_ends_the_connection_and_no_other() {
    let ingest = ingest(&[]).await;
    let mut bystander = Node::connect(ingest.address(), "/").await;
    let good = masked(true, 2, br#"{"msg":"a"}"#);
    let violations = [
        ("unmasked", b"\x82\x02{}".to_vec()),
        ("unknown opcode", masked(true, 3, b"{}")),
        ("unknown control opcode", masked(true, 11, b"")),
        ("reserved bit", [&[0xc2], &masked(true, 2, b"{}")[1..]].concat()),
        ("continuation of nothing", masked(true, 0, b"{}")),
        ("message inside another", [masked(false, 2, b"{"), masked(true, 2, b"{}")].concat()),
        ("fragmented ping", masked(false, 9, b"")),
        ("long ping", masked(true, 9, &[0; 126])),
    ];
    for (name, bytes) in &violations {
        let mut node = Node::connect(ingest.address(), "/").await;
        // What is right is taken before, and nothing behind.
        node.raw(&[&good, bytes, &good].map(Vec::as_slice).concat()).await;
        assert_eq!(node.close_code().await, Some(1002), "{name}");
    }
    let count = i64::try_from(violations.len()).unwrap();
    received(&ingest, count).await;
    assert_eq!(closed(&ingest, "protocol").await, count);
    echo(&mut bystander, b"still here").await;
}

#[tokio::test]
async fn fragments_are_put_together_up_to_the_limit() {
    let pipeline = Pipeline::start_with(&[("WS_MAX_PAYLOAD", "1000")]);
    let message =
        |size: usize| format!(r#"{{"msg":"{}"}}"#, "x".repeat(size - r#"{"msg":""}"#.len()));

    let mut node = pipeline.node("/").await;
    let exact = message(1000);
    let (last, others) = exact
        .as_bytes()
        .chunks(300)
        .collect::<Vec<_>>()
        .split_last()
        .map(|(last, others)| (*last, others.to_vec()))
        .unwrap();
    for (number, part) in others.into_iter().enumerate() {
        node.frame(false, u8::from(number == 0), part).await;
        echo(&mut node, b"between fragments").await;
    }
    node.frame(true, 0, last).await;
    echo(&mut node, b"and the connection goes on").await;

    let beyond = message(1001);
    node.frame(false, 2, &beyond.as_bytes()[..900]).await;
    node.frame(true, 0, &beyond.as_bytes()[900..]).await;
    assert_eq!(node.close_code().await, Some(1009));

    // A header's promise is enough: what it promises need not come.
    let mut node = pipeline.node("/").await;
    node.raw(&masked(true, 2, &vec![b'x'; 1 << 20])[..5000]).await;
    assert_eq!(node.close_code().await, Some(1009));

    assert_eq!(pipeline.settle(3).await, 1);
    let owner = pipeline.database.owner().await;
    let stored: String = owner.query_one("SELECT msg FROM tetcore_logs", &[]).await.unwrap().get(0);
    assert_eq!(stored.len() + r#"{"msg":""}"#.len(), 1000);
    let sql = "SELECT reason, size, length(sample) FROM ingest_rejects ORDER BY size";
    let rejects: Vec<(String, i32, i32)> = owner
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let too_large = "too_large".to_owned();
    assert_eq!(rejects, [(too_large.clone(), 1001, 1001), (too_large, 1 << 20, 4096)]);
}

#[tokio::test]
async fn a_connection_carries_so_many_nodes() {
    let pipeline = Pipeline::start_with(&[("MAX_NODES_PER_CONNECTION", "2")]);
    let mut node = pipeline.node("/").await;
    for round in 0..10 {
        for id in [7, 3, 5, 9] {
            let message = json!({ "id": id, "payload": { "msg": "a", "round": round, "of": id } });
            node.send(message.to_string()).await;
        }
    }
    // Another connection has places of its own.
    let mut other = pipeline.node("/").await;
    other.send(r#"{"id":5,"payload":{"msg":"a","of":50}}"#).await;
    assert_eq!(pipeline.settle(41).await, 21);
    let owner = pipeline.database.owner().await;
    let sql = "SELECT (logs->>'of')::int, count(*) FROM tetcore_logs GROUP BY 1 ORDER BY 1";
    let stored: Vec<(i32, i64)> =
        owner.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(stored, [(3, 10), (7, 10), (50, 1)]);
    let sql = "SELECT count(*) FROM ingest_rejects WHERE reason = 'too_many_nodes' AND NOT stored";
    assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 20);
}

#[tokio::test]
async fn ten_seconds_worth_of_bytes_may_come_at_once() {
    let ingest = ingest(&[("MAX_BYTES_PER_SECOND", "10_000")]).await;
    let message = masked(true, 2, format!(r#"{{"msg":"{}"}}"#, "x".repeat(900)).as_bytes());
    let mut node = Node::connect(ingest.address(), "/").await;
    node.raw(&message.repeat(90_000 / message.len())).await;
    echo(&mut node, b"within the limit").await;
    // However slow this machine: a minute's worth.
    node.raw(&message.repeat(600_000 / message.len())).await;
    assert_eq!(node.close_code().await, Some(1008));
    assert_eq!(closed(&ingest, "max_bytes_per_second").await, 1);
}

#[tokio::test]
async fn memory_for_unfinished_messages_is_bounded() {
    // A quarter of the buffer is for them: 1 MiB.
    let ingest =
        ingest(&[("INGEST_BUFFER_BYTES", "4_194_304"), ("WS_MAX_PAYLOAD", "524_288")]).await;
    let message = format!(r#"{{"msg":"{}"}}"#, "x".repeat(500_000));
    let message = masked(true, 2, message.as_bytes());
    let (most, rest) = message.split_at(400_000);
    let mut nodes = Vec::new();
    for _ in 0..8 {
        let mut node = Node::connect(ingest.address(), "/").await;
        node.raw(most).await;
        nodes.push(node);
    }
    let unfinished = async || closed(&ingest, "unfinished_messages").await;
    eventually("those beyond it are closed", async || (unfinished().await >= 6).then_some(()))
        .await;
    let mut fitting = 0;
    for node in &mut nodes {
        node.raw(rest).await;
        node.frame(true, 8, b"").await;
        fitting += i64::from(node.close_code().await == Some(1000));
    }
    assert!((1..=2).contains(&fitting), "{fitting}");
    assert_eq!(unfinished().await, 8 - fitting);
    received(&ingest, fitting).await;

    // Their memory was given back.
    let mut node = Node::connect(ingest.address(), "/").await;
    node.raw(&message).await;
    echo(&mut node, b"still here").await;
    received(&ingest, fitting + 1).await;
}

struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

#[tokio::test]
async fn another_library_s_client_is_understood() {
    let pipeline = Pipeline::start();
    let address = pipeline.ingest.address();
    let request = Request::get(format!("ws://{address}/audit"))
        .header("host", address)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", handshake::generate_key())
        .header("sec-websocket-version", "13")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = handshake::client(&Spawn, request, stream).await.unwrap();
    let mut socket = FragmentCollector::new(socket);
    let frame = |fin, opcode, payload: &'static [u8]| {
        fastwebsockets::Frame::new(fin, opcode, None, Payload::Borrowed(payload))
    };
    for sent in [
        frame(true, OpCode::Text, br#"{"msg":"text"}"#),
        frame(true, OpCode::Binary, br#"{"msg":"binary"}"#),
        frame(false, OpCode::Text, br#"{"msg":"#),
        frame(false, OpCode::Continuation, br#""frag"#),
        frame(true, OpCode::Continuation, br#"ments"}"#),
        frame(true, OpCode::Ping, b"hello"),
    ] {
        socket.write_frame(sent).await.unwrap();
    }
    let pong = socket.read_frame().await.unwrap();
    assert_eq!((pong.opcode, &pong.payload[..]), (OpCode::Pong, &b"hello"[..]));
    socket.write_frame(fastwebsockets::Frame::close(1000, b"")).await.unwrap();
    assert_eq!(socket.read_frame().await.unwrap().opcode, OpCode::Close);

    assert_eq!(pipeline.settle(3).await, 3);
    let sql = "SELECT string_agg(msg, ' ' ORDER BY msg) FROM tetcore_logs WHERE audit";
    let stored: String = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(stored, "binary fragments text");
}
