//! Whole runs against a server that decodes every frame.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use clap::Parser;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{frame, options::Options, simulation, summary::Summary};

/// What one connection brought: the request's head and the messages after it.
#[derive(Default)]
struct Visit {
    head: String,
    messages: Vec<String>,
}

impl Visit {
    fn objects(&self) -> impl Iterator<Item = Value> {
        let objects = self.messages.iter();
        objects.map(|message| serde_json::from_str(message).unwrap())
    }
}

/// The object that holds a message's own fields, in either version.
fn payload(message: &Value) -> &Value {
    message.get("payload").unwrap_or(message)
}

/// Answers with `response`, and hangs up after so many bytes.
#[derive(Clone, Copy)]
struct Server {
    response: &'static [u8],
    patience: usize,
}

const PATIENT: Server = Server {
    // Pings that no node reads follow at once.
    response: b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x00\x89\x00",
    patience: usize::MAX,
};

impl Server {
    async fn serve(self, listener: TcpListener, visits: Arc<Mutex<Vec<Visit>>>) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let visits = Arc::clone(&visits);
            tokio::spawn(async move {
                let visit = self.visit(stream).await;
                visits.lock().unwrap().push(visit);
            });
        }
    }

    async fn visit(self, mut stream: TcpStream) -> Visit {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(self.response).await.unwrap();
        let mut frames = Vec::new();
        while frames.len() < self.patience && stream.read_buf(&mut frames).await.unwrap_or(0) > 0 {}
        Visit {
            head: String::from_utf8(head).unwrap(),
            messages: frame::tests::decode_all(&frames),
        }
    }
}

/// Runs the simulator against `server`; returns its summary and the connections in the order of their ends.
async fn run(server: Server, path: &str, arguments: &[&str]) -> (Summary, Vec<Visit>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}{path}", listener.local_addr().unwrap());
    let visits = Arc::default();
    tokio::spawn(server.serve(listener, Arc::clone(&visits)));

    let fixed = ["simulate-nodes", "--quiet", "--url", &url];
    let options = Options::parse_from(fixed.iter().chain(arguments));
    let summary = simulation::run(&options).await.unwrap();
    let visits = std::mem::take(&mut *visits.lock().unwrap());
    (summary, visits)
}

#[tokio::test]
async fn sends_exactly_what_was_asked_for() {
    let arguments =
        ["--nodes", "23", "--nodes-per-socket", "3", "--rate", "0", "--messages", "12345"];
    let (summary, visits) = run(PATIENT, "/audit/", &arguments).await;
    assert!(summary.is_complete() && summary.sent == 12_345);
    assert_eq!((summary.reconnects, summary.refused, summary.failed), (0, 0, 0));

    let received: usize = visits.iter().map(|visit| visit.messages.len()).sum();
    assert_eq!(received, 12_345);
    let mut seen: HashMap<(usize, u64), HashSet<u64>> = HashMap::new();
    for (socket, visit) in visits.iter().enumerate() {
        for message in visit.objects() {
            let id = message["id"].as_u64().unwrap_or_default();
            let seq = payload(&message)["seq"].as_u64().unwrap();
            assert!(seen.entry((socket, id)).or_default().insert(seq));
        }
    }
    assert_eq!(seen.len(), 23);
    for numbers in seen.values() {
        let count = numbers.len() as u64;
        assert!((1..=count).all(|seq| numbers.contains(&seq)));
    }
}

#[tokio::test]
async fn speaks_like_a_real_node() {
    let arguments = [
        "--nodes",
        "10",
        "--nodes-per-socket",
        "9",
        "--rate",
        "2000",
        "--messages",
        "600",
        "--stamp",
    ];
    let (_, visits) = run(PATIENT, "/audit/", &arguments).await;
    assert_eq!(visits.len(), 2);
    for visit in &visits {
        let mut lines = visit.head.lines();
        assert_eq!(lines.next(), Some("GET /audit/ HTTP/1.1"));
        let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let expected =
            ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"];
        assert_eq!(names, expected);
    }

    let (old, new): (Vec<_>, Vec<_>) =
        visits.iter().partition(|visit| visit.messages[0].ends_with('\n'));
    let (old, new) = (old[0], new[0]);
    assert!(old.messages.iter().all(|message| message.ends_with("}\n")));
    assert!(old.messages[0].starts_with("{\"msg\":\"system.connected\",\"name\":\"judy-0009\""));
    assert!(
        old.messages[1].starts_with("{\"msg\":\"system.network_state\",\"state\":{\"peerId\":\"Qm")
    );

    assert!(new.messages.iter().all(|message| message.ends_with('}')));
    let greetings = new.objects().take(9);
    let ids: Vec<_> = greetings.map(|message| message["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let peers: HashSet<_> = new
        .objects()
        .filter(|message| payload(message)["msg"] == "system.connected")
        .map(|message| payload(&message)["network_id"].to_string())
        .collect();
    assert_eq!(peers.len(), 9);
    for message in new.objects() {
        let height = &payload(&message)["height"];
        match payload(&message)["msg"].as_str().unwrap() {
            "block.import" => assert!(height.is_u64()),
            "notify.finalized" => assert!(height.is_string()),
            _ => {}
        }
        assert!(payload(&message)["sent_us"].is_u64());
        let ts = message["ts"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(ts).is_ok(), "{ts}");
        assert!(!ts.ends_with('Z'));
    }
}

#[tokio::test]
async fn comes_back_when_cut_off() {
    let hasty = Server { patience: 100_000, ..PATIENT };
    let arguments =
        ["--nodes", "4", "--rate", "0", "--messages", "100000", "--time-scale", "0.001"];
    let (summary, visits) = run(hasty, "/", &arguments).await;
    assert_eq!(summary.sent, 100_000);
    assert!(summary.reconnects > 0);
    let starts_over = |visit: &Visit| visit.messages[0].contains("\"system.connected\"");
    assert!(visits.iter().filter(|visit| !visit.messages.is_empty()).all(starts_over));
}

#[tokio::test]
async fn keeps_trying_when_refused() {
    let strict = Server { response: b"HTTP/1.1 401 Unauthorized\r\n\r\n", patience: 0 };
    let arguments =
        ["--nodes", "2", "--messages", "1", "--duration", "0.2", "--time-scale", "0.001"];
    let (summary, _) = run(strict, "/", &arguments).await;
    assert!(summary.refused > 2 && summary.sent == 0 && !summary.is_complete());
}

#[tokio::test]
async fn large_messages_have_about_the_size_asked_for() {
    let arguments =
        ["--nodes", "2", "--rate", "0", "--messages", "30", "--payload-bytes", "100000"];
    let (_, visits) = run(PATIENT, "/", &arguments).await;
    let mut sizes = visits.iter().flat_map(|visit| visit.messages.iter().map(String::len));
    assert!(sizes.all(|size| (99_000..101_000).contains(&size)));
}

#[tokio::test]
async fn the_rate_is_that_of_all_sockets_together() {
    let arguments = ["--nodes", "7", "--rate", "700", "--duration", "1"];
    let (summary, visits) = run(PATIENT, "/", &arguments).await;
    assert!((400..=710).contains(&summary.sent), "{}", summary.sent);
    assert_eq!(visits.iter().map(|visit| visit.messages.len() as u64).sum::<u64>(), summary.sent);
}

#[tokio::test]
async fn the_summary_is_json() {
    let arguments = ["--nodes", "3", "--rate", "0", "--messages", "100"];
    let (summary, _) = run(PATIENT, "/", &arguments).await;
    let json: Value = serde_json::from_str(&summary.json()).unwrap();
    assert_eq!((json["sent"].as_u64(), json["sockets"].as_u64()), (Some(100), Some(3)));
    assert!(json["cpu_seconds"].is_number() && json["rate"].is_number());
}
