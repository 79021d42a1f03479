//! What `GET /nodes` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::testing::{Answer, Database, Function, Pipeline, Postgres, eventually, get, request};

/// Nodes 1 to `$1`, each with an older connection as well; of each three, two are connected at the
/// same moment. Odd ones are of the chain `kusama`, and every fifth has `name` `it's & five`.
const NODES: &str = "
    WITH connection AS (
        INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, name, chain, version, authority,
                                      startup_time, implementation, node_id, last_seen)
        SELECT 2 * number + latest, '192.0.2.' || number % 250, 'peer' || number,
               timestamptz '2026-01-01T00:00:00.5Z' + interval '1 minute' * (number / 3 * 2) - interval '1 day' * (1 - latest),
               number % 2 = 0,
               CASE WHEN latest = 0 THEN 'old' WHEN number % 5 = 0 THEN 'it''s & five' ELSE 'node' END,
               CASE number % 2 WHEN 1 THEN 'kusama' ELSE 'polkadot' END, '1.0', true, 1750000000000, 'impl',
               node_id('peer' || number), timestamptz '2026-02-01Z'
        FROM generate_series(1, $1::int) AS number, generate_series(0, 1) AS latest
        RETURNING id, peer_id, created_at, last_seen
    )
    INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
    SELECT node_id(peer_id), peer_id, id, created_at, last_seen FROM connection WHERE id % 2 = 1";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    Function::start("query-nodes", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_nodes(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(NODES, &[&count]).await.unwrap();
    database
}

fn peer(node: &Value) -> String {
    node["peer_id"].as_str().unwrap().to_owned()
}

fn peers(answer: &Answer) -> Vec<String> {
    answer.rows().iter().map(peer).collect()
}

/// All pages from `path` on, and how many there were.
async fn pages(function: &Function, path: &str) -> (Vec<String>, usize) {
    let pages = function.pages(path).await;
    (pages.iter().flatten().map(peer).collect(), pages.len())
}

#[tokio::test]
async fn the_latest_connection_of_each_node() {
    let database = with_nodes(1).await;
    let function = start(&database, &[]);
    let answer = function.get("/nodes").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.next(), None);
    assert_eq!(
        answer.json(),
        json!([{
            "id": 3,
            "ip_addr": "192.0.2.1",
            "peer_id": "peer1",
            "created_at": "2026-01-01T00:00:00.500",
            "audit": false,
            "name": "node",
            "chain": "kusama",
            "version": "1.0",
            "authority": true,
            "startup_time": 1_750_000_000_000_i64,
            "implementation": "impl",
            "last_seen": "2026-02-01T00:00:00",
        }])
    );
}

#[tokio::test]
async fn a_node_that_reconnects_is_one_node() {
    let pipeline = Pipeline::start();
    let function = start(&pipeline.database, &[]);
    for (sent, name) in (1..).zip(["first", "second", "third"]) {
        let mut node = pipeline.node("/").await;
        let connected = json!({ "msg": "system.connected", "network_id": "peer", "name": name });
        node.send(connected.to_string()).await;
        pipeline.settle(sent).await;
        let nodes = function.get("/nodes").await.json();
        assert_eq!(nodes.as_array().unwrap().len(), 1);
        assert_eq!(nodes[0]["name"], name);
    }
    // The end of an older connection is reported later than the newer one began.
    let nodes = function.get("/nodes?name=third").await.json();
    assert_eq!(nodes[0]["peer_id"], "peer");
    assert_eq!(function.get("/nodes?name=first").await.text(), "[]");
}

#[tokio::test]
async fn filters() {
    let database = with_nodes(30).await;
    let function = start(&database, &[]);
    for (query, count) in [
        ("", 30),
        ("chain=kusama", 15),
        ("chain=polkadot&name=node", 12),
        ("name=it%27s+%26%20five", 6),
        ("name=it's%20%26%20five&chain=kusama", 3),
        ("chain=Kusama", 0),
        // Nobody's latest name.
        ("name=old", 0),
        ("name=%25", 0),
        ("limit=7", 7),
        ("limit=10000&chain=polkadot", 15),
        ("name=", 0),
    ] {
        let answer = function.get(&format!("/nodes?{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(peers(&answer).len(), count, "{query}");
    }
}

#[tokio::test]
async fn every_node_is_on_one_page() {
    let database = with_nodes(100).await;
    let function = start(&database, &[]);
    let expected: BTreeSet<String> = (1..=100).map(|number| format!("peer{number}")).collect();
    for (path, count) in [
        ("/nodes?limit=1", 101),
        ("/nodes?limit=7", 15),
        ("/nodes/?limit=50", 3),
        ("/nodes?limit=1000", 1),
    ] {
        let (all, pages) = pages(&function, path).await;
        assert_eq!((all.len(), pages), (100, count), "{path}");
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected, "{path}");
    }
    // Newest first, and filters stay in force.
    let (all, _) = pages(&function, "/nodes?limit=4&chain=kusama&name=it%27s%20%26%20five").await;
    let numbers = (1..=100).rev().filter(|number| number % 10 == 5);
    assert_eq!(all, numbers.map(|number| format!("peer{number}")).collect::<Vec<_>>());
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "2000")]);
    assert!(small.get("/nodes").await.body.len() <= 2000);
    let (all, pages) = pages(&small, "/nodes").await;
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected);
    assert!((10..20).contains(&pages), "{pages}");
    // One row that is too large alone is answered all the same.
    let tiny = start(&database, &[("MAX_RESPONSE_BYTES", "10")]);
    assert_eq!(peers(&tiny.get("/nodes").await).len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("limit=0", "limit", "from 1 to 10000"),
        ("limit=10001", "limit", "from 1 to 10000"),
        ("limit=-1", "limit", "from 1 to 10000"),
        ("limit=ten", "limit", "`ten`"),
        ("limit=", "limit", "from 1 to 10000"),
        ("cursor=1", "cursor", "Link"),
        ("cursor=a_b", "cursor", "Link"),
        ("cursor=-9000000000000000000_1", "cursor", "Link"),
        ("chain=a&chain=b", "chain", "more than once"),
        ("colour=red", "colour", "unknown parameter"),
        ("peer_id=a", "peer_id", "unknown parameter"),
        ("name=a%00b", "name", "U+0000"),
    ] {
        let answer = function.get(&format!("/nodes?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let database = with_nodes(30).await;
    let function = start(&database, &[]);
    let address = function.address();
    for path in ["/", "/node", "/nodes/x", "/nodes/logs", "/Nodes"] {
        let answer = function.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["status"].as_u64()),
            (404, Some(404)),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = request(address, method, "/nodes", &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let whole = function.get("/nodes/").await;
    assert_eq!(whole.body, function.get("/nodes").await.body);
    let head = request(address, "HEAD", "/nodes?limit=7", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert!(head.next().is_some());
    let length = function.get("/nodes?limit=7").await.body.len();
    assert_eq!(head.headers["content-length"], length.to_string());

    let zipped = get(address, "/nodes", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(zipped.body.len() < whole.body.len() / 3);
    assert_eq!(zipped.unzipped(), whole.body);
    for (path, accepted) in [
        ("/nodes", ""),
        ("/nodes", "identity"),
        ("/nodes", "gzip;q=0"),
        // Less than 1 kB.
        ("/nodes?limit=1", "gzip"),
    ] {
        let answer = get(address, path, &[("accept-encoding", accepted)]).await;
        assert!(!answer.headers.contains_key("content-encoding"), "{path} {accepted}");
        assert_eq!(answer.headers["vary"], "accept, accept-encoding");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(function.get(path).await.status, 200, "{path}");
    }
    let metrics = function.get("/metrics").await.text();
    assert!(metrics.contains("http_answers_total{status=\"405\"} 4"), "{metrics}");
}

#[tokio::test]
async fn an_empty_database_has_no_nodes() {
    let answer = start(&Database::new(), &[]).get("/nodes").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
    assert_eq!(answer.next(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_is_used_again() {
    let mut postgres = Postgres::start();
    let database = postgres.database();
    database.owner().await.execute(NODES, &[&3]).await.unwrap();
    let function = start(&database, &[]);
    assert_eq!(peers(&function.get("/nodes").await).len(), 3);

    postgres.crash();
    for path in ["/nodes", "/nodes", "/readyz"] {
        let answer = function.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["status"].as_u64()),
            (503, Some(503)),
            "{path}"
        );
        assert!(answer.headers.contains_key("retry-after"), "{path}");
        assert!(!answer.text().contains("127.0.0.1"), "internals stay inside: {}", answer.text());
    }
    assert_eq!(function.get("/healthz").await.status, 200, "a restart would not help");

    postgres.resume();
    eventually("it is ready again", || async {
        (function.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(peers(&function.get("/nodes").await).len(), 3);
    assert_eq!(function.stop().await.code(), Some(0));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let url = Database::new().url("tetcore_query");
    for (name, value) in [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://host"),
        ("DATABASE_URL", "postgres://me:s3cret@host/db?sslmode=prefer"),
        ("DB_POOL_SIZE", "0"),
        ("MAX_RESPONSE_BYTES", "1e6"),
        ("PORT", "-1"),
    ] {
        let mut settings = vec![("DATABASE_URL", url.as_str())];
        settings.retain(|(other, _)| *other != name);
        settings.push((name, value));
        let said = Function::refusal("query-nodes", &settings);
        assert!(said.contains(name) && !said.contains("s3cret"), "{name}={value}: {said}");
    }
}
