//! What is derived from messages is what a scan of them says.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;
use shared::{
    db::Client,
    reputation::{self, Report},
    row::{count_shard, node_id},
    testing::{Database, Pipeline},
};

/// Network states, and what is no report among them.
const STATES: [&str; 24] = [
    r#"{"state":{"peerset":{"nodes":{"b":{"reputation":1,"connected":true},"a":{"reputation":-2,"connected":false}}}}}"#,
    r#"{"network_state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{}}},"network_state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":[]}},"network_state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}},"state":null}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true},"a":{"reputation":2,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true},"a":null}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"Z":{"reputation":1,"connected":true},"a":{"reputation":2,"connected":true},"é":{"reputation":3,"connected":true},"":{"reputation":4,"connected":true},"\ud83e\udd80":{"reputation":5,"connected":true},"\"":{"reputation":6,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1e3,"connected":true},"b":{"reputation":1.0,"connected":true},"c":{"reputation":-0,"connected":true},"d":{"reputation":150e-1,"connected":true},"e":{"reputation":0.5,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":9223372036854775807,"connected":true},"b":{"reputation":-9223372036854775808,"connected":true},"c":{"reputation":9223372036854775808,"connected":true},"d":{"reputation":-9223372036854775809,"connected":true},"e":{"reputation":1e400,"connected":true},"f":{"reputation":9.223372036854775807e18,"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":"1","connected":true},"b":{"reputation":null,"connected":true},"c":{"reputation":true,"connected":true},"d":{"reputation":[1],"connected":true},"e":{"reputation":{},"connected":true},"f":{"connected":true}}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":"true"},"b":{"reputation":1,"connected":null},"c":{"reputation":1,"connected":1},"d":{"reputation":1},"e":[],"f":1,"g":"text","h":null}}}}"#,
    r#"{"state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}},"nodes":{"b":{"reputation":2,"connected":false}}}}}"#,
    r#"{"state":{"peerset":{"nodes":null}}}"#,
    r#"{"state":{"peerset":{"nodes":"a"}}}"#,
    r#"{"state":{"peerset":{}}}"#,
    r#"{"state":{"peerset":[{"nodes":{}}]}}"#,
    r#"{"state":{"peerset":null}}"#,
    r#"{"state":[]}"#,
    r#"{"state":1e400,"network_state":{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}}}"#,
    r#"{"state":"text"}"#,
    r#"{"network_state":5}"#,
    r#"{"peerset":{"nodes":{"a":{"reputation":1,"connected":true}}}}"#,
    "{}",
];

/// What the database reads in a message.
async fn read_reputations(client: &Client, logs: &str) -> Option<Report> {
    let sql = "SELECT * FROM read_reputations($1::text::jsonb)";
    client.query_opt(sql, &[&logs]).await.unwrap().map(|row| Report {
        remote_ids: row.get(0),
        remote_peers: row.get(1),
        reputations: row.get(2),
        connected: row.get(3),
    })
}

#[tokio::test]
async fn the_database_and_the_flusher_read_the_same() {
    let owner = Database::new().owner().await;
    let mut reports = 0;
    for logs in STATES {
        let read = reputation::read(logs.as_bytes());
        reports += i32::from(read.is_some());
        assert_eq!(read, read_reputations(&owner, logs).await, "{logs}");
    }
    assert_eq!(reports, 13);
    for number in -70..70 {
        let sql = "SELECT log_count_shard($1)";
        let shard: i16 = owner.query_one(sql, &[&number]).await.unwrap().get(0);
        assert_eq!(shard, count_shard(number), "{number}");
    }
}

/// The payload of a message that tells `peer`'s opinion of one other node.
fn report(peer: &str, reputation: i64) -> serde_json::Value {
    let nodes = json!({ "other": { "reputation": reputation, "connected": true } });
    json!({ "msg": "system.network_state", "state": { "peerId": peer, "peerset": { "nodes": nodes } } })
}

/// All reports: whose, whether audit, and the reputations in them.
async fn reports(database: &Database) -> Vec<(i64, bool, Vec<i64>)> {
    let sql =
        "SELECT node_id, audit, reputations FROM reputation_reports ORDER BY reputations, audit";
    let rows = database.owner().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test]
async fn the_newest_report_of_a_node_counts() {
    let pipeline = Pipeline::start();
    let mut sent = 0;
    for (path, round) in [("/", 1), ("/audit", 2)] {
        let mut node = pipeline.node(path).await;
        // Clocks are no order; what is no report replaces none.
        for (reputation, minute) in [(10, 5), (20, 30), (30, 15)] {
            let ts = format!("2026-11-22T08:{minute:02}:00Z");
            let payload = report("peer", reputation * round);
            node.send(json!({ "id": 1, "ts": ts, "payload": payload }).to_string()).await;
            sent += 1;
            pipeline.settle(sent).await;
        }
        let no_report =
            json!({ "msg": "system.network_state", "state": { "peerset": { "nodes": [] } } });
        node.send(
            json!({ "id": 1, "ts": "2026-11-22T09:00:00Z", "payload": no_report }).to_string(),
        )
        .await;
        sent += 1;
        pipeline.settle(sent).await;
    }
    let node = node_id("peer");
    assert_eq!(
        reports(&pipeline.database).await,
        [(node, false, vec![20]), (node, true, vec![40])]
    );
}

#[tokio::test]
async fn malformed_states_harm_nobody_and_every_type_is_counted() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    node.send(report("peer", 7).to_string()).await;
    let mut sent = 1;
    for state in STATES {
        let state = state.replacen('{', r#"{"msg":"system.network_state","#, 1).replace(",}", "}");
        node.send(state).await;
        sent += 1;
    }
    // Types that are long, the same but for the end, empty, none, or no text.
    let long = "é".repeat(256);
    for msg in [
        json!(long),
        json!(format!("{long}1")),
        json!(format!("{long}2")),
        json!(""),
        json!(null),
        json!(1),
    ] {
        node.send(json!({ "msg": msg }).to_string()).await;
        sent += 1;
    }
    node.send("{}").await;
    pipeline.settle(sent + 1).await;
    let owner = pipeline.database.owner().await;
    let sql = "SELECT msg, quantity FROM node_log_counts($1) ORDER BY quantity, msg";
    let rows = owner.query(sql, &[&node_id("peer")]).await.unwrap();
    let counts: Vec<(Option<String>, i64)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let states = "system.network_state".to_owned();
    assert_eq!(counts, [(Some(String::new()), 1), (Some(long), 3), (None, 3), (Some(states), 25)]);
}

#[tokio::test]
async fn what_is_stored_before_an_identity_counts_once_it_is_known() {
    let pipeline = Pipeline::start();
    let mut node = pipeline.node("/").await;
    let mut sent = 0;
    for id in 1..=3 {
        for reputation in 1..=4 {
            let nodes =
                json!({ "other": { "reputation": 10 * id + reputation, "connected": true } });
            let payload = json!({ "msg": "system.network_state", "state": { "peerset": { "nodes": nodes } } });
            let ts = format!("2026-11-22T08:0{}:00Z", 9 - reputation);
            node.send(json!({ "id": id, "ts": ts, "payload": payload }).to_string()).await;
            node.send(json!({ "id": id, "ts": ts, "payload": { "msg": "a" } }).to_string()).await;
            sent += 2;
        }
    }
    pipeline.settle(sent).await;
    assert_eq!(reports(&pipeline.database).await, []);
    for id in 1..=3 {
        let connected = json!({ "msg": "system.connected", "network_id": format!("peer{id}") });
        node.send(json!({ "id": id, "payload": connected }).to_string()).await;
    }
    pipeline.settle(sent + 3).await;
    let newest = [1, 2, 3].map(|id| (node_id(&format!("peer{id}")), false, vec![10 * id + 1]));
    assert_eq!(reports(&pipeline.database).await, newest);
    let owner = pipeline.database.owner().await;
    let sql = "SELECT sum(quantity)::bigint FROM nodes, node_log_counts(id)";
    assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), sent + 3);
}

#[tokio::test]
async fn what_postgresql_refuses_does_not_count() {
    let pipeline = Pipeline::start();
    let owner = pipeline.database.owner().await;
    // A rule that ws-ingest does not know of.
    let rule = "ALTER TABLE log_rows ADD CONSTRAINT no_devil CHECK (NOT logs @? '$.**.reputation ? (@ == 666)')";
    owner.batch_execute(rule).await.unwrap();
    let mut node = pipeline.node("/").await;
    for reputation in [665, 666] {
        node.send(report("peer", reputation).to_string()).await;
    }
    for number in 0..100 {
        node.send(json!({ "msg": format!("a{}", number % 3) }).to_string()).await;
    }
    assert_eq!(pipeline.settle(102).await, 101);
    assert_eq!(reports(&pipeline.database).await, [(node_id("peer"), false, vec![665])]);
}
