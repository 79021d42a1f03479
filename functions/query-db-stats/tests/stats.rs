//! What `GET /stats/db` and `GET /stats/version` answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::testing::{Database, Function, eventually, request};

fn start(database: &Database) -> Function {
    Function::start("query-db-stats", &[("DATABASE_URL", &database.url("tetcore_query"))])
}

/// What is said of each table and index, by one who has not said anything yet.
async fn relations(database: &Database) -> BTreeMap<String, Value> {
    let answer = start(database).get("/stats/db").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let named = |row: Value| (row["relation"].as_str().unwrap().to_owned(), row);
    answer.rows().into_iter().map(named).collect()
}

#[tokio::test]
async fn every_table_and_index_has_its_size() {
    let database = Database::new();
    let owner = database.owner().await;
    let function = start(&database);
    let rows = function.get("/stats/db").await.rows();
    let bytes: Vec<i64> = rows.iter().map(|row| row["bytes"].as_i64().unwrap()).collect();
    assert!(bytes.is_sorted_by(|larger, smaller| larger >= smaller), "{bytes:?}");
    let sql = "SELECT relname::text FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND NOT relispartition";
    let mut expected: Vec<String> =
        owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    expected.retain(|name| name != "log_rows" && name != "log_slices");
    expected.push("tetcore_logs".to_owned());
    expected.sort_unstable();
    let relations = relations(&database).await;
    assert_eq!(relations.keys().cloned().collect::<Vec<_>>(), expected);
    let index = &relations["peer_connections_pkey"];
    assert_eq!(
        index.to_string(),
        r#"{"relation":"peer_connections_pkey","size":"8192 bytes","bytes":8192,"kind":"index","rows":null,"index_bytes":null,"compressed_bytes":null,"oldest":null,"newest":null,"growth_per_day":null}"#
    );
    assert_eq!(relations["tetcore_logs"]["kind"], "table");
}

#[tokio::test]
async fn partitions_count_with_what_they_are_part_of() {
    let database = Database::new();
    let owner = database.owner().await;
    let before = relations(&database).await;
    owner
        .batch_execute(
            "INSERT INTO log_rows (created_at, peer_connection_id, audit, logs)
             SELECT timestamptz '2000-01-01Z' + number * interval '10 years', 1, audit, jsonb_build_object('text', repeat('x', 500))
             FROM generate_series(0, 299) AS number, unnest('{true,false}'::boolean[]) AS audit;
             ANALYZE log_rows",
        )
        .await
        .unwrap();
    let after = relations(&database).await;
    assert_eq!(after["tetcore_logs"]["rows"], 600);
    for (relation, least) in [("tetcore_logs", 600 * 500), ("tetcore_logs_unidentified", 8192)] {
        let bytes = |relations: &BTreeMap<String, Value>| relations[relation]["bytes"].as_i64();
        let grown = bytes(&after).unwrap() - bytes(&before).unwrap();
        assert!(grown >= least, "{relation}: {grown}");
    }
    assert_eq!(before.len(), after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_tells_its_age_its_growth_and_what_is_packed() {
    let database = Database::new();
    let owner = database.owner().await;
    let logs = async || relations(&database).await["tetcore_logs"].clone();
    let past = "SELECT make_past_partitions(false, '2026-01-01Z', '280320 hours')";
    owner.batch_execute(past).await.unwrap();
    let unknown = logs().await;
    for name in ["oldest", "newest", "growth_per_day"] {
        assert_eq!(unknown[name], Value::Null, "{unknown}");
    }
    assert_eq!(unknown["compressed_bytes"], 0);
    // One message a second for 1,000 seconds, long ago.
    owner
        .batch_execute(
            "INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
             SELECT timestamptz '2026-01-01Z' + number * interval '1 second', 1, 1, false, 'm', jsonb_build_object('text', repeat('x', 500))
             FROM generate_series(0, 999) AS number;
             ANALYZE log_rows",
        )
        .await
        .unwrap();
    let fresh = logs().await;
    assert_eq!(fresh["rows"], 1000);
    assert_eq!(fresh["oldest"], "2026-01-01T00:00:00");
    assert_eq!(fresh["newest"], "2026-01-01T00:16:39");
    let grown = |name: &str| fresh[name].as_i64().unwrap() - unknown[name].as_i64().unwrap();
    let expected = (grown("bytes") + grown("index_bytes")) * 86400 / 1000;
    let growth = fresh["growth_per_day"].as_i64().unwrap();
    assert!((expected / 2..expected * 2).contains(&growth), "{growth}, not {expected}");

    let url = database.url("tetcore");
    Function::run("purge-job", &[("DATABASE_URL", &url)], &["compact"]);
    owner.batch_execute("ANALYZE log_rows; ANALYZE log_slices").await.unwrap();
    let packed = logs().await;
    assert_eq!(packed["rows"], 1000);
    assert!(packed["compressed_bytes"].as_i64() > unknown["compressed_bytes"].as_i64());
    assert!(packed["bytes"].as_i64() < fresh["bytes"].as_i64(), "{fresh} {packed}");
}

#[tokio::test]
async fn an_answer_is_renewed() {
    let database = Database::new();
    let function = start(&database);
    assert!(!function.get("/stats/db").await.text().contains("another"));
    database.owner().await.batch_execute("CREATE TABLE another ()").await.unwrap();
    eventually("the new table is there", || async {
        function.get("/stats/db").await.text().contains("another").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_table_that_goes_meanwhile_is_left_out() {
    let database = Database::new();
    // Within a transaction, the watcher would see its first answer again and again.
    let (owner, watcher) = (database.owner().await, database.owner().await);
    owner.batch_execute("CREATE TABLE short_lived ()").await.unwrap();
    owner.batch_execute("BEGIN; DROP TABLE short_lived").await.unwrap();
    let function = start(&database);
    let asking = tokio::spawn({
        let address = function.address().to_owned();
        async move { request(&address, "GET", "/stats/db", &[]).await }
    });
    let waiting = "SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'query-db-stats' AND wait_event_type = 'Lock'";
    eventually("the question waits for the table", || async {
        watcher.query_opt(waiting, &[]).await.unwrap()
    })
    .await;
    owner.batch_execute("COMMIT").await.unwrap();
    let answer = asking.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("short_lived"));
    assert!(answer.text().contains("tetcore_logs"));
}

#[tokio::test]
async fn a_database_that_is_not_migrated_yet_is_waited_for() {
    // The role comes with the first database that is migrated.
    let _migrated = Database::new();
    let answer = start(&Database::empty()).get("/stats/db").await;
    answer.assert_problem(503, None, "try again");
}

#[tokio::test]
async fn what_runs() {
    // It is known without a database.
    let url = "postgres://tetcore_query@127.0.0.1:1/none";
    let function = Function::start("query-db-stats", &[("DATABASE_URL", url)]);
    let answer = function.get("/stats/version").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text(),
        format!(r#"{{"name":"tetcore-analytics","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
    );
    function.get("/stats/db").await.assert_problem(503, None, "try again");
}

#[tokio::test]
async fn the_whole_api_is_described() {
    let answer = start(&Database::new()).get("/stats/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.json();
    assert_eq!(document["info"]["title"], json!("Tetcore Analytics"));
    for path in ["/nodes", "/benchmarks/{id}/events", "/stats/openapi.json"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&Database::new());
    for path in ["/stats/db", "/stats/version", "/stats/openapi.json"] {
        let answer = function.get(&format!("{path}?limit=5")).await;
        answer.assert_problem(400, Some("limit"), "unknown parameter");
        let answer = function.get(&format!("{path}?format=csv")).await;
        answer.assert_problem(400, Some("format"), "unknown parameter");
        let answer = function.get(&format!("{path}?a=%00")).await;
        answer.assert_problem(400, Some("a"), "U+0000");
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new());
    for path in ["/", "/stats", "/stats/db/x", "/stats/versions"] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    for path in ["/stats/db", "/stats/version", "/stats/openapi.json"] {
        assert_eq!(function.get(&format!("{path}/")).await.status, 200, "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = request(function.address(), method, path, &[]).await;
            answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
            assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method} {path}");
        }
    }
}
