//! What a node sends is stored once, in its normal form, under the right node.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    row::node_id,
    testing::{Database, Function, Pipeline, eventually, masked},
};

const V1: &str = include_str!("data/telemetry-v1.jsonl");
const V2: &str = include_str!("data/telemetry-v2.jsonl");

/// What is to be stored of a message: V2's payload with the envelope's time, V1 as it is.
fn normal_form(line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap();
    match message.get("payload") {
        Some(payload) => {
            let mut logs = payload.clone();
            logs["ts"] = message["ts"].clone();
            logs
        }
        None => message,
    }
}

/// Who sent each message of a corpus that goes through one socket: under each of V2's `id`s, the
/// node that introduced itself last. V1 has one node at a time.
fn senders(corpus: &str) -> Vec<String> {
    let mut known = BTreeMap::new();
    corpus
        .lines()
        .map(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            let (id, payload) = match message.get("payload") {
                Some(payload) => (message["id"].as_u64(), payload),
                None => (None, &message),
            };
            if let Some(network_id) = payload["network_id"].as_str() {
                known.insert(id, network_id.to_owned());
            }
            known[&id].clone()
        })
        .collect()
}

/// All rows of the database: peer id, whether of `/audit`, and the message.
async fn rows(database: &Database) -> Vec<(Option<String>, bool, Value)> {
    let sql = "SELECT peer.peer_id, log.audit, logs::text, peer.audit = log.audit,
                      log.node_id IS NOT DISTINCT FROM peer.node_id, msg IS NOT DISTINCT FROM logs->>'msg'
               FROM tetcore_logs AS log JOIN peer_connections AS peer ON peer.id = peer_connection_id";
    let rows = database.owner().await.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            let logs = serde_json::from_str(row.get(2)).unwrap();
            assert!(row.get::<_, bool>(3), "peer and row are both audit or both not: {logs}");
            assert!(row.get::<_, bool>(4), "peer and row are of the same node: {logs}");
            assert!(row.get::<_, bool>(5), "msg is the message's: {logs}");
            (row.get(0), row.get(1), logs)
        })
        .collect()
}

fn sorted(messages: impl IntoIterator<Item = (Option<String>, bool, Value)>) -> Vec<String> {
    let mut all: Vec<_> = messages
        .into_iter()
        .map(|(sender, audit, mut logs)| {
            // jsonb has an order of its own.
            logs.sort_all_objects();
            format!("{:?}", (sender, audit, logs))
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn every_sample_is_stored_once_in_its_normal_form() {
    for corpus in [V1, V2] {
        let pipeline = Pipeline::start();
        let senders = senders(corpus);
        let mut expected = Vec::new();
        for text in [false, true] {
            for (path, audit) in [("/", false), ("/audit", true), ("/audit/", true)] {
                let mut node = pipeline.node(path).await;
                for (line, sender) in corpus.lines().zip(&senders) {
                    // As sent before 2021.
                    let line_feed = format!("{line}\n");
                    if text {
                        node.send_text(&line_feed).await;
                    } else {
                        node.send(line).await;
                    }
                    expected.push((Some(sender.clone()), audit, normal_form(line)));
                }
            }
        }
        let stored = pipeline.settle(i64::try_from(expected.len()).unwrap()).await;
        assert_eq!(usize::try_from(stored).unwrap(), expected.len());
        assert_eq!(sorted(rows(&pipeline.database).await), sorted(expected));

        let owner = pipeline.database.owner().await;
        let distinct: BTreeMap<&String, i64> =
            senders.iter().map(|sender| (sender, node_id(sender))).collect();
        let sql = "SELECT count(*), bool_and(node_id = node_id(peer_id)) FROM peer_connections";
        let row = owner.query_one(sql, &[]).await.unwrap();
        assert_eq!(usize::try_from(row.get::<_, i64>(0)).unwrap(), 6 * distinct.len());
        assert!(row.get::<_, bool>(1), "the database and the edge agree about keys");
        // PostgreSQL rounds nanoseconds, the edge cuts them off.
        let sql =
            "SELECT max(abs(extract(epoch FROM created_at - (logs->>'ts')::timestamptz)))::float8
                   FROM tetcore_logs";
        let furthest: f64 = owner.query_one(sql, &[]).await.unwrap().get(0);
        assert!(furthest < 2e-6, "all have their own times, but for {furthest} s");
        let nodes = owner.query("SELECT peer_id, id FROM nodes", &[]).await.unwrap();
        let nodes: BTreeMap<String, i64> =
            nodes.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(nodes.iter().eq(distinct.iter().map(|(peer, id)| (*peer, id))), "{nodes:?}");
    }
}

#[tokio::test]
async fn rows_that_came_before_the_identity_belong_to_the_node() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    let message = |id: u64, number: u64| json!({ "id": id, "payload": { "msg": "block.import", "height": number }, "ts": "2026-11-22T08:00:00+00:00" });
    for number in 0..10 {
        node.send(message(1, number).to_string()).await;
        node.send(message(2, number).to_string()).await;
    }
    pipeline.settle(20).await;
    let orphans = rows(&pipeline.database).await;
    assert!(orphans.iter().all(|(peer, ..)| peer.is_none()), "nobody is known yet");

    // The one introduces itself, the other only reports its network state.
    let connected = json!({ "id": 1, "payload": { "msg": "system.connected", "network_id": "12D3Koo1", "name": "one" } });
    let state = json!({ "id": 2, "payload": { "msg": "system.network_state", "state": { "peerId": "12D3Koo2" } } });
    node.send(connected.to_string()).await;
    node.send(state.to_string()).await;
    node.send(message(1, 10).to_string()).await;
    pipeline.settle(23).await;
    let mut counts = BTreeMap::new();
    for (peer, ..) in rows(&pipeline.database).await {
        *counts.entry(peer).or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        BTreeMap::from([(Some("12D3Koo1".into()), 12), (Some("12D3Koo2".into()), 11)])
    );
    let sql = "SELECT count(*) FROM tetcore_logs WHERE node_id IS NULL";
    let unclaimed: i64 = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(unclaimed, 0);
}

#[tokio::test]
async fn identities_are_learnt_in_whatever_order_flushers_commit() {
    // Batches of one message, four workers: rows and identities overtake each other.
    let pipeline = Pipeline::start_with(&[("DB_BATCH_SIZE", "1"), ("FLUSH_WORKERS", "4")]);
    let nodes = 20_u64;
    for number in 0..nodes {
        let mut node = pipeline.node("/").await;
        let mut burst = Vec::new();
        for _ in 0..5 {
            burst.extend(masked(true, 2, br#"{"msg":"txpool.import","ready":1}"#));
        }
        let connected = json!({ "msg": "system.connected", "network_id": format!("peer{number}"), "name": "n" });
        burst.extend(masked(true, 2, connected.to_string().as_bytes()));
        for _ in 0..5 {
            burst.extend(masked(true, 2, br#"{"msg":"txpool.import","ready":2}"#));
        }
        node.raw(&burst).await;
    }
    pipeline.settle(i64::try_from(nodes * 11).unwrap()).await;
    let sql = "SELECT count(*) FILTER (WHERE node_id IS NULL), count(DISTINCT node_id),
                      count(DISTINCT peer_connection_id) FROM tetcore_logs";
    let row = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap();
    let expected = i64::try_from(nodes).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get(1), row.get(2)), (0, expected, expected));
    let sql = "SELECT count(*) FROM peer_connections WHERE name = 'n'";
    let named: i64 = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(named, expected, "the latest record counts");
}

#[tokio::test]
async fn clocks_that_cannot_be_right_are_replaced() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    for ts in ["\"2019-01-01T00:00:00.123456Z\"", "\"2999-01-01T00:00:00Z\"", "\"soon\"", "7"] {
        node.send(format!(r#"{{"msg":"a","ts":{ts}}}"#)).await;
    }
    node.send(r#"{"msg":"a"}"#).await;
    pipeline.settle(5).await;
    let sql = "SELECT count(*) FILTER (WHERE created_at = '2019-01-01T00:00:00.123456Z'),
                      count(*) FILTER (WHERE created_at BETWEEN now() - interval '1 minute' AND now())
               FROM tetcore_logs";
    let row = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 4));
    let metrics = pipeline.ingest.get("/metrics").await.text();
    for (reason, count) in [("ahead", 1), ("unreadable", 2), ("missing", 1)] {
        let line = format!("ingest_clock_replaced_messages_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn poison_harms_nobody_else_and_is_kept_with_its_reason() {
    let most = 4096;
    let pipeline = Pipeline::start_with(&[("WS_MAX_PAYLOAD", "4096")]);
    let deep = format!("{}{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let large = format!(r#"{{"msg":"{}"}}"#, "x".repeat(most));
    let exact = format!(r#"{{"msg":"{}"}}"#, "y".repeat(most - r#"{"msg":""}"#.len()));
    let rejected: [(&[u8], &str); 8] = [
        (b"not json", "not_json"),
        (b"[1]", "not_an_object"),
        (br#"{"msg":"\ud800"}"#, "lone_surrogate"),
        (br#"{"n":1e400000}"#, "number_out_of_range"),
        (deep.as_bytes(), "nested_too_deep"),
        (b"{\"msg\":\"\xff\"}", "invalid_utf8"),
        (b"", "not_json"),
        (large.as_bytes(), "too_large"),
    ];
    let accepted: [&[u8]; 4] =
        [br#"{"msg":"a\u0000b"}"#, br#"{"no":"msg"}"#, b"{}", exact.as_bytes()];

    let mut good = pipeline.node("/").await;
    let mut sent = 0;
    for poison in rejected.iter().map(|(poison, _)| *poison).chain(accepted) {
        for number in 0..50 {
            good.send(format!(r#"{{"msg":"good","n":{number}}}"#)).await;
        }
        let mut bad = pipeline.node("/").await;
        bad.send(poison).await;
        if poison.len() > most {
            assert_eq!(bad.close_code().await, Some(1009));
        } else {
            bad.send(br#"{"msg":"still here"}"#).await;
            sent += 1;
        }
        for number in 50..100 {
            good.send(format!(r#"{{"msg":"good","n":{number}}}"#)).await;
        }
        sent += 101;
    }
    let stored = pipeline.settle(sent).await;
    assert_eq!(stored, sent - i64::try_from(rejected.len()).unwrap());

    let owner = pipeline.database.owner().await;
    let good: i64 = owner
        .query_one("SELECT count(*) FROM tetcore_logs WHERE msg = 'good'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(good, 100 * 12);
    let sql = "SELECT reason, stored, size, sample, host(ip_addr::inet), created_at FROM ingest_rejects ORDER BY id";
    let mut kept = Vec::new();
    for row in owner.query(sql, &[]).await.unwrap() {
        assert_eq!(row.get::<_, String>(4), "127.0.0.1");
        let sample: Vec<u8> = row.get(3);
        kept.push((row.get::<_, String>(0), row.get::<_, bool>(1), row.get::<_, i32>(2), sample));
    }
    let mut expected: Vec<_> = rejected
        .iter()
        .map(|(poison, reason)| {
            let sample = poison[..poison.len().min(4096)].to_vec();
            ((*reason).to_owned(), false, i32::try_from(poison.len()).unwrap(), sample)
        })
        .collect();
    expected.push(("nul_repaired".into(), true, 18, br#"{"msg":"a\ufffdb"}"#.to_vec()));
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
    let repaired: i64 = owner
        .query_one("SELECT count(*) FROM tetcore_logs WHERE msg = U&'a\\FFFDb'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(repaired, 1);
}

#[tokio::test]
async fn what_arrived_can_be_asked_for() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    // One session: two nodes on one socket.
    for line in V2.lines().take(36) {
        node.send(line).await;
    }
    pipeline.settle(36).await;

    let url = pipeline.database.url("tetcore_query");
    let nodes = Function::start("query-nodes", &[("DATABASE_URL", &url)]);
    let logs = Function::start("query-node-logs", &[("DATABASE_URL", &url)]);
    let answer = nodes.get("/nodes").await.json();
    let peers: Vec<&str> =
        answer.as_array().unwrap().iter().map(|node| node["peer_id"].as_str().unwrap()).collect();
    assert_eq!(peers.len(), 2);
    for peer in peers {
        let path = format!("/nodes/logs?peer_id={peer}&limit=1000&end_time=2999-01-01T00:00:00");
        let answer = logs.get(&path).await.json();
        assert_eq!(answer.as_array().unwrap().len(), 18, "of {peer}");
    }
}

#[tokio::test]
async fn a_message_that_only_postgresql_refuses_is_found_and_kept() {
    let pipeline = Pipeline::start();
    let owner = pipeline.database.owner().await;
    // A rule that ws-ingest does not know of.
    owner
        .batch_execute("ALTER TABLE log_rows ADD CONSTRAINT no_devil CHECK (logs->>'n' <> '666')")
        .await
        .unwrap();
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"system.connected","network_id":"peer","name":"n"}"#).await;
    for number in 0..1000 {
        node.send(format!(r#"{{"msg":"a","n":{number}}}"#)).await;
    }
    let stored = pipeline.settle(1001).await;
    assert_eq!(stored, 1000);
    let row = owner
        .query_one("SELECT reason, ip_addr, convert_from(sample, 'UTF8') FROM ingest_rejects", &[]);
    let row = row.await.unwrap();
    let fields: (String, String, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(
        fields,
        ("refused_by_database_23514".into(), "127.0.0.1".into(), r#"{"msg":"a","n":666}"#.into())
    );
    // What else came with it is not lost.
    let named: String =
        owner.query_one("SELECT name FROM peer_connections", &[]).await.unwrap().get(0);
    assert_eq!(named, "n");
}

#[tokio::test]
async fn a_lasting_connection_is_seen_and_its_end_is_noted() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"system.connected","network_id":"peer","name":"n"}"#).await;
    pipeline.settle(1).await;
    let owner = pipeline.database.owner().await;
    let seen = "SELECT last_seen FROM peer_connections";
    let first: std::time::SystemTime = owner.query_one(seen, &[]).await.unwrap().get(0);
    drop(node);
    eventually("the end is noted", || async {
        let last: std::time::SystemTime = owner.query_one(seen, &[]).await.expect("one row").get(0);
        (last > first).then_some(())
    })
    .await;
}
