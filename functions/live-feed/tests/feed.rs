//! What subscribers get, and when.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::testing::{Function, Node, Pipeline, Postgres, Redis, eventually};

/// An interval that a test need not wait for.
const QUICK: (&str, &str) = ("CACHE_UPDATE_INTERVAL_MS", "50");

fn start(pipeline: &Pipeline, settings: &[(&str, &str)]) -> Function {
    let url = pipeline.database.url("tetcore_query");
    let own = [("DATABASE_URL", url.as_str()), QUICK];
    Function::start("live-feed", &[&pipeline.settings(), &own[..], settings].concat())
}

/// A client of the feed.
struct Client(Node);

impl Client {
    async fn connect(feed: &Function) -> Self {
        Self(Node::connect(feed.address(), "/feed").await)
    }

    async fn ask(&mut self, request: &Value) {
        self.0.send_text(request.to_string()).await;
    }

    /// Subscribes, with further members of the request: the first answer.
    async fn subscribe(&mut self, peer: &str, msg: &str, members: Value) -> Value {
        let mut request = json!({ "peer_id": peer, "msg": msg, "interest": "subscribe" });
        for (name, value) in members.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.ask(&request).await;
        self.answer().await
    }

    /// The next answer.
    async fn answer(&mut self) -> Value {
        loop {
            let frame = self.0.receive().await.unwrap();
            match frame.opcode {
                1 => return serde_json::from_slice(&frame.payload).unwrap(),
                9 => self.0.frame(true, 10, &frame.payload).await,
                _ => panic!("{frame:?}"),
            }
        }
    }

    /// The data of as many answers as it takes to have `count`; and the last `since`.
    async fn data(&mut self, count: usize) -> (Vec<Value>, String) {
        let mut data = Vec::new();
        loop {
            let answer = self.answer().await;
            data.extend(answer["data"].as_array().unwrap_or_else(|| panic!("{answer}")).clone());
            assert!(data.len() <= count, "{} instead of {count}", data.len());
            if data.len() == count {
                return (data, since(&answer));
            }
        }
    }
}

fn since(answer: &Value) -> String {
    answer["since"].as_str().unwrap().to_owned()
}

fn numbers(data: &[Value]) -> Vec<u64> {
    data.iter().map(|entry| entry["logs"]["number"].as_u64().unwrap()).collect()
}

async fn connected(pipeline: &Pipeline, peer: &str) -> Node {
    let mut node = pipeline.node("/").await;
    let message = json!({
        "id": 1, "ts": "2026-01-01T00:00:00Z",
        "payload": { "msg": "system.connected", "network_id": peer, "name": peer },
    });
    node.send(message.to_string()).await;
    node
}

async fn send(node: &mut Node, msg: &str, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let ts = chrono::Utc::now().to_rfc3339();
        let payload = json!({ "msg": msg, "number": number });
        node.send(json!({ "id": 1, "ts": ts, "payload": payload }).to_string()).await;
    }
}

#[tokio::test]
async fn each_message_comes_once_in_the_order_of_its_node() {
    let pipeline = Pipeline::start();
    let (_flush, feed) = (pipeline.another_flush(), start(&pipeline, &[]));
    let another = start(&pipeline, &[]);
    let mut nodes = [connected(&pipeline, "a").await, connected(&pipeline, "b").await];
    pipeline.settle(2).await;
    let mut clients = Vec::new();
    for (feed, peer, msg, count) in [
        (&feed, "a", "even", 500),
        (&feed, "a", "*", 1000),
        (&feed, "*", "even", 1000),
        (&another, "*", "*", 2000),
        (&another, "b", "odd", 500),
    ] {
        let mut client = Client::connect(feed).await;
        let first = client.subscribe(peer, msg, json!({})).await;
        assert_eq!(first["peer_message"], json!({ "peer_id": peer, "msg": msg }));
        assert_eq!(first["data"], json!([]), "what was before was not asked for");
        clients.push((client, peer, msg, count));
    }
    for round in 0..500 {
        for node in &mut nodes {
            send(node, "even", std::iter::once(2 * round)).await;
            send(node, "odd", std::iter::once(2 * round + 1)).await;
        }
    }
    for (client, peer, msg, count) in &mut clients {
        let (data, _) = client.data(*count).await;
        for of in ["a", "b"] {
            let data: Vec<Value> =
                data.iter().filter(|entry| entry["peer_id"] == of).cloned().collect();
            let expected: Vec<u64> = (0..1000)
                .filter(|number| match *msg {
                    "even" => number % 2 == 0,
                    "odd" => number % 2 == 1,
                    _ => true,
                })
                .filter(|_| [of, "*"].contains(peer))
                .collect();
            assert_eq!(numbers(&data), expected, "{peer} {msg}: {of}");
        }
    }
    pipeline.settle(2002).await;
    let leading = feed.metric("feed_leading").await + another.metric("feed_leading").await;
    assert_eq!(leading, 1, "one of them fills the cache of both");
}

#[tokio::test]
async fn the_past_comes_first_and_nothing_between_is_missed() {
    let pipeline = Pipeline::start();
    let feed = start(&pipeline, &[]);
    let mut node = connected(&pipeline, "a").await;
    // Subscribed while messages come, again and again under another key.
    let mut clients = Vec::new();
    for round in 0..20 {
        let msg = format!("kind {round}");
        send(&mut node, &msg, 0..50).await;
        let mut client = Client::connect(&feed).await;
        let request = json!({ "peer_id": "a", "msg": msg, "interest": "subscribe", "start_time": "2026-01-01T00:00:00" });
        client.ask(&request).await;
        send(&mut node, &msg, 50..100).await;
        clients.push(client);
    }
    for mut client in clients {
        let (data, _) = client.data(100).await;
        assert_eq!(numbers(&data), (0..100).collect::<Vec<_>>());
    }
    // Of another time than is asked for.
    let mut client = Client::connect(&feed).await;
    let later =
        client.subscribe("a", "kind 1", json!({ "start_time": "2999-01-01T00:00:00" })).await;
    assert_eq!(later["data"], json!([]));
    // A message that is late by its own time comes all the same.
    let old =
        json!({ "id": 1, "ts": "2020-01-01T00:00:00Z", "payload": { "msg": "late", "number": 7 } });
    let first = client.subscribe("a", "late", json!({})).await;
    assert_eq!(first["data"], json!([]));
    node.send(old.to_string()).await;
    let (data, _) = client.data(1).await;
    assert_eq!((numbers(&data), &data[0]["created_at"]), (vec![7], &json!("2020-01-01T00:00:00")));
}

#[tokio::test]
async fn what_came_before_the_identity_comes_with_it() {
    let pipeline = Pipeline::start();
    let feed = start(&pipeline, &[]);
    let mut client = Client::connect(&feed).await;
    client.subscribe("late", "early", json!({})).await;
    let mut node = pipeline.node("/").await;
    send(&mut node, "early", 0..3).await;
    pipeline.settle(3).await;
    let identity =
        json!({ "id": 1, "payload": { "msg": "system.connected", "network_id": "late" } });
    node.send(identity.to_string()).await;
    let (data, _) = client.data(3).await;
    assert_eq!(numbers(&data), [0, 1, 2]);
}

#[tokio::test]
async fn who_comes_back_with_its_cursor_misses_nothing() {
    let (mut postgres, mut redis) = (Postgres::durable(), Redis::start());
    let mut pipeline = Pipeline::start_on(postgres.database(), &redis, &[]);
    let mut feed = start(&pipeline, &[]);
    let mut node = connected(&pipeline, "a").await;
    let mut client = Client::connect(&feed).await;
    let mut cursor = since(&client.subscribe("a", "n", json!({})).await);
    let (mut sent, mut got) = (0, Vec::new());
    for fault in ["none", "client", "feed", "flush", "postgres", "connections", "redis", "none"] {
        send(&mut node, "n", sent..sent + 20).await;
        sent += 20;
        if fault == "redis" {
            // What Redis forgets is lost, but not what was stored.
            pipeline.settle(i64::try_from(sent).unwrap() + 1).await;
        }
        // Some of it is on its way when the fault comes.
        match fault {
            "feed" => feed.kill(),
            "flush" => pipeline.flush.kill(),
            "postgres" => postgres.crash(),
            "connections" => redis.cut_connections(),
            "redis" => redis.stop(),
            _ => {}
        }
        send(&mut node, "n", sent..sent + 20).await;
        sent += 20;
        match fault {
            "feed" => feed = start(&pipeline, &[]),
            "flush" => pipeline.flush = pipeline.another_flush(),
            "postgres" => postgres.resume(),
            "redis" => redis.resume(),
            _ => {}
        }
        if ["client", "feed", "redis"].contains(&fault) {
            client = Client::connect(&feed).await;
            let again =
                json!({ "peer_id": "a", "msg": "n", "interest": "subscribe", "since": cursor });
            client.ask(&again).await;
        }
        let missing = usize::try_from(sent).unwrap() - got.len();
        let (data, last) = client.data(missing).await;
        got.extend(numbers(&data));
        cursor = last;
        assert_eq!(got, (0..sent).collect::<Vec<_>>(), "{fault}");
    }
}

#[tokio::test]
async fn aggregates_are_what_all_samples_give() {
    let pipeline = Pipeline::start();
    let feed = start(&pipeline, &[]);
    let mut node = connected(&pipeline, "a").await;
    let begin = chrono::Utc::now().timestamp() - 60;
    // Ten samples, of which two stand on an edge; the last ones are late.
    let samples: Vec<(i64, u32)> =
        [(0, 5), (1, 9), (4, 7), (5, 1), (9, 3), (10, 8), (11, 2), (4, 6), (5, 4), (0, 10)].into();
    for (second, time) in &samples {
        let ts = chrono::DateTime::from_timestamp(begin - begin % 5 + second, 0).unwrap();
        let payload =
            json!({ "msg": "tracing.profiling", "target": "t", "name": "n", "time": time });
        let message = json!({ "id": 1, "ts": ts.to_rfc3339(), "payload": payload });
        if *second == 10 {
            pipeline.settle(6).await;
        }
        node.send(message.to_string()).await;
    }
    let mut client = Client::connect(&feed).await;
    for aggregate in ["min", "max", "mean", "median", "percentile90"] {
        let ask = json!({
            "peer_id": "a", "msg": "tracing.profiling", "interest": "subscribe",
            "start_time": "2026-01-01T00:00:00", "aggregate_type": aggregate, "aggregate_interval": 5,
        });
        client.ask(&ask).await;
        let mut last = BTreeMap::new();
        while last.values().map(|(quantity, _)| quantity).sum::<u64>() < samples.len() as u64 {
            let answer = client.answer().await;
            if answer["peer_message"]["aggregate_type"] != aggregate {
                continue;
            }
            for interval in answer["data"].as_array().unwrap() {
                assert_eq!((&interval["target"], &interval["name"]), (&json!("t"), &json!("n")));
                let value = (interval["qty"].as_u64().unwrap(), interval["time"].as_f64().unwrap());
                last.insert(interval["created_at"].to_string(), value);
            }
        }
        let expected: Vec<(u64, f64)> = match aggregate {
            "min" => vec![(5, 5.0), (3, 1.0), (2, 2.0)],
            "max" => vec![(5, 10.0), (3, 4.0), (2, 8.0)],
            "mean" => vec![(5, 7.4), (3, 8.0 / 3.0), (2, 5.0)],
            "median" => vec![(5, 7.0), (3, 3.0), (2, 5.0)],
            _ => vec![(5, 9.6), (3, 3.8), (2, 7.4)],
        };
        let got: Vec<(u64, f64)> = last.into_values().collect();
        for ((quantity, value), (expected_quantity, expected)) in got.iter().zip(&expected) {
            assert_eq!(quantity, expected_quantity, "{aggregate}: {got:?}");
            assert!((value - expected).abs() < 1e-9, "{aggregate}: {got:?}");
        }
        assert_eq!(got.len(), 3);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_connection_stays() {
    let pipeline = Pipeline::start();
    let feed = start(&pipeline, &[]);
    let mut client = Client::connect(&feed).await;
    for (request, named) in [
        ("", "JSON"),
        ("{", "JSON"),
        ("7", "object"),
        (r#"{"peer_id":"a","msg":"b"}"#, "interest"),
        (
            r#"{"peer_id":"a","msg":"b","interest":"subscribe","aggregate_type":"max","aggregate_interval":0}"#,
            "aggregate_interval",
        ),
        (
            r#"{"peer_id":"a","msg":"b","interest":"subscribe","aggregate_type":"max","aggregate_interval":-5}"#,
            "aggregate_interval",
        ),
        (
            r#"{"peer_id":"a","msg":"b","interest":"subscribe","aggregate_type":"max","aggregate_interval":99999999999}"#,
            "aggregate_interval",
        ),
        (
            r#"{"peer_id":"a","msg":"b","interest":"subscribe","aggregate_type":"sum","aggregate_interval":5}"#,
            "sum",
        ),
        (r#"{"peer_id":"a","msg":"b","interest":"subscribe","since":"x"}"#, "since"),
        (
            r#"{"peer_id":"a","msg":"b","interest":"subscribe","since":"00000000000000000000000000000001.1.1"}"#,
            "since",
        ),
    ] {
        client.0.send_text(request).await;
        let answer = client.answer().await;
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{request}: {answer}"));
        assert!(error.contains(named), "{request}: {error}");
    }
    assert_eq!(client.subscribe("a", "b", json!({})).await["data"], json!([]));
    client.ask(&json!({ "peer_id": "a", "msg": "b", "interest": "unsubscribe" })).await;
    eventually("nothing is subscribed", async || {
        (feed.metric("feed_subscriptions").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_does_not_read_is_left_and_harms_nobody() {
    let pipeline = Pipeline::start();
    let feed = start(&pipeline, &[("CLIENT_TIMEOUT_S", "600")]);
    let mut stalled = Client::connect(&feed).await;
    stalled.subscribe("*", "*", json!({})).await;
    let mut client = Client::connect(&feed).await;
    client.subscribe("a", "n", json!({})).await;
    let mut node = connected(&pipeline, "a").await;
    let filler = "x".repeat(100_000);
    for number in 0..600 {
        let payload = json!({ "msg": "n", "number": number, "filler": filler });
        node.send(json!({ "id": 1, "payload": payload }).to_string()).await;
        if number % 20 == 19 {
            let (data, _) = client.data(20).await;
            assert_eq!(numbers(&data), (number - 19..=number).collect::<Vec<_>>());
        }
    }
    eventually("the one that does not read is closed", async || {
        let text = feed.get("/metrics").await.text();
        text.contains("feed_closed_connections_total{reason=\"lag\"} 1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_may_not_read_is_refused() {
    let pipeline = Pipeline::start();
    let settings = [("API_TOKENS", "secret"), ("CORS_ALLOWED_ORIGINS", "https://example.org")];
    let feed = start(&pipeline, &settings);
    assert_eq!(feed.get("/feed").await.status, 426);
    let address = feed.address().to_owned();
    let connect = async |headers: String| {
        Node::connect_with(&address, "/feed", &headers)
            .await
            .map(drop)
            .map_err(|answer| answer.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    let token = "Authorization: Bearer secret\r\n";
    let offered = "Sec-WebSocket-Protocol: tetcore.feed, bearer.secret\r\n";
    for (headers, expected) in [
        (String::new(), Err("401")),
        ("Authorization: Bearer guess\r\n".to_owned(), Err("401")),
        ("Sec-WebSocket-Protocol: tetcore.feed, bearer.guess\r\n".to_owned(), Err("401")),
        (token.to_owned(), Ok(())),
        (offered.to_owned(), Ok(())),
        (format!("{token}Origin: https://example.com\r\n"), Err("403")),
        (format!("{token}Origin: https://example.org\r\n"), Ok(())),
        (format!("{offered}Origin: http://{address}\r\n"), Ok(())),
    ] {
        let result = connect(headers.clone()).await;
        assert_eq!(
            result.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|code| *code),
            "{headers}"
        );
    }
}
