//! What `GET /reputation/logged` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// Reporters 1 to `$1`, of which each three report at one moment, a minute after each other and at
/// least 10 s ago: of the reporter before them, and of two peers that send no telemetry.
const REPORTS: &str = "
    WITH reporter AS (
        INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
        SELECT node_id('reporter' || number), 'reporter' || number, number, now(), now()
        FROM generate_series(1, $1::int) AS number
        RETURNING id, peer_connection_id AS number
    )
    INSERT INTO reputation_reports (node_id, audit, reported_at, remote_ids, remote_peers, reputations, connected)
    SELECT id, false, now() - interval '1 minute' * (number / 3) - interval '10 s',
           ARRAY[node_id('a'), node_id('reporter' || number - 1), node_id('z')], ARRAY['a', 'reporter' || number - 1, 'z'],
           ARRAY[-number, number, 0], ARRAY[true, number % 2 = 0, false]
    FROM reporter";

/// The longest age there is.
const ALL: &str = "max_age_s=1000000000";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    Function::start(
        "query-logged-reputation",
        &[&[("DATABASE_URL", url.as_str())], settings].concat(),
    )
}

async fn with_reports(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(REPORTS, &[&count]).await.unwrap();
    database
}

fn reporters(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["reporting_peer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_each_node_says_of_nodes_that_send_telemetry() {
    let database = with_reports(2).await;
    let sql = "UPDATE reputation_reports SET reported_at = '2026-01-01T00:00:00.25Z' WHERE node_id = node_id('reporter2');
               DELETE FROM reputation_reports WHERE node_id = node_id('reporter1')";
    database.owner().await.batch_execute(sql).await.unwrap();
    let answer = start(&database, &[]).get(&format!("/reputation/logged?{ALL}")).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.next(), None);
    assert_eq!(
        answer.text(),
        r#"[{"reporting_peer":"reporter2","remote_peer":["reporter1"],"reputation":[2],"connected":[true],"ts":"2026-01-01T00:00:00.250"}]"#
    );
}

#[tokio::test]
async fn a_node_that_knows_no_other_node_says_nothing_of_any() {
    let function = start(&with_reports(1).await, &[]);
    let rows = function.get("/reputation/logged").await.rows();
    assert_eq!(reporters(&rows), ["reporter1"]);
    for member in ["remote_peer", "reputation", "connected"] {
        assert_eq!(rows[0][member], json!([]), "{member}");
    }
}

#[tokio::test]
async fn an_empty_database_has_no_reports() {
    let answer = start(&Database::new(), &[]).get("/reputation/logged").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn age_and_number_are_limited() {
    let database = with_reports(10).await;
    let function = start(&database, &[]);
    for (query, count) in [
        // Reporters 1 and 2 are 10 s old, the next three 70 s, and so on.
        ("", 2),
        ("max_age_s=60", 2),
        ("max_age_s=1", 0),
        ("max_age_s=120", 5),
        ("max_age_s=120&limit=4", 4),
        ("max_age_s=1000000000", 10),
        ("max_age_s=1000000000&limit=1", 1),
        ("limit=10000", 2),
    ] {
        let answer = function.get(&format!("/reputation/logged?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(answer.rows().len(), count, "{query}");
    }
}

#[tokio::test]
async fn the_latest_report_of_each_reporter_counts() {
    let database = with_reports(2).await;
    let owner = database.owner().await;
    // Reporter 1 has said something else 2 s later, and reporter 2 2 s earlier.
    let sql = "INSERT INTO reputation_reports
               SELECT node_id, true, reported_at + interval '2 s' * (3 - 2 * peer_connection_id), remote_ids, remote_peers, '{7,8,9}', connected
               FROM reputation_reports
               JOIN nodes ON nodes.id = node_id";
    owner.execute(sql, &[]).await.unwrap();
    let function = start(&database, &[]);
    let rows = function.get("/reputation/logged").await.rows();
    assert_eq!(reporters(&rows), ["reporter1", "reporter2"]);
    let says = |row: &Value| row["reputation"].to_string();
    assert_eq!([says(&rows[0]), says(&rows[1])], ["[]".to_owned(), "[2]".to_owned()]);
    // Both of a node are of one moment: the one that never expires counts.
    let sql = "UPDATE reputation_reports SET reported_at = now() - interval '1 s'";
    owner.execute(sql, &[]).await.unwrap();
    let rows = function.get("/reputation/logged").await.rows();
    let mut said: Vec<String> = rows.iter().map(says).collect();
    said.sort_unstable();
    assert_eq!(said, ["[8]", "[]"]);
}

#[tokio::test]
async fn every_report_is_on_one_page() {
    let database = with_reports(100).await;
    let function = start(&database, &[]);
    let whole = function.pages(&format!("/reputation/logged?{ALL}&limit=1000")).await.concat();
    assert!(whole.is_sorted_by(|newer, older| newer["ts"].as_str() >= older["ts"].as_str()));
    let all: BTreeSet<&str> = reporters(&whole).into_iter().collect();
    assert_eq!((all.len(), whole.len()), (100, 100));
    for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)] {
        let pages = function.pages(&format!("/reputation/logged/?{query}&{ALL}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "2_000")]);
    let path = format!("/reputation/logged?limit=1000&{ALL}");
    assert!(small.get(&path).await.body.len() <= 2000);
    let pages = small.pages(&path).await;
    assert_eq!(pages.concat(), whole);
    assert!((6..12).contains(&pages.len()), "{}", pages.len());
}

/// What becomes of network states as some node might send them.
#[tokio::test]
async fn odd_network_states_break_nothing() {
    let database = with_reports(1).await;
    let owner = database.owner().await;
    let function = start(&database, &[]);
    let sql = "INSERT INTO reputation_reports
               SELECT node_id('reporter1'), true, now(), report.* FROM read_reputations($1::text::jsonb) AS report";
    for (nodes, expected) in [
        ("null", None),
        ("[]", None),
        (r#"[{"reporter1": {"reputation": 1, "connected": true}}]"#, None),
        (r#""reporter1""#, None),
        ("{}", Some(json!([]))),
        (r#"{"reporter1": null, "a": []}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": "1", "connected": true}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": null, "connected": true}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": 1.5, "connected": true}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": 1e30, "connected": true}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": 1, "connected": "yes"}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": 1}}"#, Some(json!([]))),
        (r#"{"reporter1": {"reputation": 5.0, "connected": false}, "a": 1}"#, Some(json!([5]))),
    ] {
        let state = format!(r#"{{"state": {{"peerset": {{"nodes": {nodes}}}}}}}"#);
        owner.execute("DELETE FROM reputation_reports", &[]).await.unwrap();
        owner.execute(sql, &[&state]).await.unwrap();
        let answer = function.get("/reputation/logged").await;
        assert_eq!(answer.status, 200, "{nodes}: {}", answer.text());
        let reputations = answer.rows().first().map(|row| row["reputation"].clone());
        assert_eq!(reputations, expected, "{nodes}");
    }
}

#[tokio::test]
async fn odd_reports_break_nothing() {
    let database = with_reports(4).await;
    let owner = database.owner().await;
    for (number, change) in [
        (1, "remote_ids = '{}', remote_peers = '{}', reputations = '{}', connected = '{}'"),
        (2, "reputations = '{}'"),
        (3, "connected = '{true,NULL,false}'"),
    ] {
        let sql = format!(
            "UPDATE reputation_reports SET {change} WHERE node_id = node_id('reporter{number}')"
        );
        owner.execute(&sql, &[]).await.unwrap();
    }
    // A report of a node that is not known.
    let sql = "INSERT INTO reputation_reports VALUES (5, true, 'infinity', '{1}', '{a}', '{5}', '{true}')";
    owner.execute(sql, &[]).await.unwrap();
    let rows = start(&database, &[]).get(&format!("/reputation/logged?{ALL}")).await.rows();
    let sound: Vec<&Value> =
        rows.iter().filter(|row| row["reporting_peer"] == "reporter4").collect();
    assert_eq!(sound.len(), 1);
    for row in &rows {
        let lengths = ["remote_peer", "reputation", "connected"]
            .map(|list| row[list].as_array().unwrap().len());
        assert!(lengths.iter().all(|length| *length == lengths[0]), "side by side: {row}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("max_age_s=0", "max_age_s", "from 1 to 1000000000, got `0`"),
        ("max_age_s=1000000001", "max_age_s", "from 1 to 1000000000"),
        ("max_age_s=-5", "max_age_s", "from 1 to 1000000000"),
        ("max_age_s=1e3", "max_age_s", "from 1 to 1000000000"),
        ("max_age_s=", "max_age_s", "from 1 to 1000000000"),
        ("limit=0", "limit", "from 1 to 10000"),
        ("limit=10001", "limit", "from 1 to 10000"),
        ("limit=ten", "limit", "`ten`"),
        ("cursor=1", "cursor", "Link"),
        ("cursor=", "cursor", "Link"),
        ("limit=1&limit=2", "limit", "more than once"),
        ("peer_id=b", "peer_id", "unknown parameter"),
        ("cursor=%00", "cursor", "U+0000"),
    ] {
        let answer = function.get(&format!("/reputation/logged?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new(), &[]);
    for path in ["/", "/reputation", "/reputation/logged/x", "/reputation/a"] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    assert_eq!(function.get("/reputation/logged/").await.status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/reputation/logged", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method}");
    }
}
