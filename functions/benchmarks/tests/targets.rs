//! What `GET /benchmarks/{id}/targets` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// A tracing message of each second from 2026-01-01 on, with targets 1 to `$1`; benchmark 1 lasts
/// for all of them, and benchmark 2 until the end of an hour before.
const TARGETS: &str = "
    WITH benchmark AS (
        INSERT INTO benchmarks (ts_start, ts_end)
        VALUES ('2026-01-01Z', '2026-01-02Z'), ('2025-12-31T22:00:00Z', '2025-12-31T23:00:00Z')
    )
    INSERT INTO log_rows (created_at, peer_connection_id, audit, msg, logs)
    SELECT timestamptz '2026-01-01Z' + interval '1 second' * number, 1, number % 2 = 0,
           CASE number % 3 WHEN 0 THEN 'tracing.event' ELSE 'tracing.profiling' END, jsonb_build_object('target', 'target' || number)
    FROM generate_series(1, $1::int) AS number, generate_series(1, 2)";

/// What stands below is one message of another type, time or kind of target.
const OTHERS: &str = r#"
    INSERT INTO log_rows (created_at, peer_connection_id, audit, msg, logs)
    VALUES ('2026-01-01T01:00:00Z', 1, false, 'block.import', '{"target": "not tracing"}'),
           ('2026-01-01T01:00:00Z', 1, false, NULL, '{"target": "no type"}'),
           ('2025-12-31T23:59:59.999999Z', 1, false, 'tracing.profiling', '{"target": "before"}'),
           ('2026-01-02T00:00:00.000001Z', 1, false, 'tracing.profiling', '{"target": "behind"}'),
           ('2026-01-01Z', 1, false, 'tracing.profiling', '{"target": "at the beginning"}'),
           ('2026-01-02Z', 1, false, 'tracing.profiling', '{"target": "at the end"}'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '{}'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '{"target": null}'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '{"target": {"a": 1}}'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '{"target": 5}'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '[]'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', '"target"'),
           ('2026-01-01T01:00:00Z', 1, false, 'tracing.profiling', 'null')"#;

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_admin");
    Function::start("benchmarks", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_targets(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(TARGETS, &[&count]).await.unwrap();
    database.note_rows().await;
    database
}

fn targets(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["target"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_targets_of_a_benchmarks_time() {
    let function = start(&with_targets(2).await, &[]);
    let answer = function.get("/benchmarks/1/targets").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.text(), r#"[{"target":"target1"},{"target":"target2"}]"#);
    assert_eq!(answer.next(), None);
    assert_eq!(function.get("/benchmarks/2/targets").await.text(), "[]");
}

#[tokio::test]
async fn other_messages_do_not_count_and_break_nothing() {
    let database = with_targets(1).await;
    let owner = database.owner().await;
    owner.execute(OTHERS, &[]).await.unwrap();
    let long = "x".repeat(300);
    let sql = "INSERT INTO log_rows (created_at, peer_connection_id, audit, msg, logs)
               VALUES ('2026-01-01T01:00:00Z', 1, false, 'tracing.event', jsonb_build_object('target', $1::text))";
    owner.execute(sql, &[&long]).await.unwrap();
    database.note_rows().await;
    let rows = start(&database, &[]).get("/benchmarks/1/targets").await.rows();
    let mut answered = targets(&rows);
    answered.sort_unstable();
    let expected = ["at the beginning", "at the end", "target1", &long[..256]];
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn a_benchmark_without_times_has_those_of_its_events() {
    let database = with_targets(100).await;
    let owner = database.owner().await;
    let sql = "INSERT INTO benchmarks (id, setup, created_at) VALUES (3, '{}', '2026-01-01T00:00:30Z'), (4, '{}', '2026-01-01T00:00:50Z');
               INSERT INTO benchmark_events (benchmark_id, name, phase, created_at)
               VALUES (3, 'a', 'begin', '2026-01-01T00:00:10Z'), (3, 'a', 'end', '2026-01-01T00:00:12Z');
               INSERT INTO benchmarks (id, ts_start) VALUES (5, '2026-01-01T00:00:99Z')";
    let sql = sql.replace("00:00:99", "00:01:39");
    owner.batch_execute(&sql).await.unwrap();
    let function = start(&database, &[]);
    for (benchmark, count) in [(3, 3), (4, 51), (5, 2)] {
        let rows = function.get(&format!("/benchmarks/{benchmark}/targets")).await.rows();
        assert_eq!(rows.len(), count, "{benchmark}: {rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_of_packed_messages_are_found() {
    let database = with_targets(100).await;
    let owner = database.owner().await;
    let function = start(&database, &[]);
    let answers = async || {
        let mut answers = Vec::new();
        for benchmark in [1, 2] {
            answers.push(function.get(&format!("/benchmarks/{benchmark}/targets")).await.rows());
        }
        answers
    };
    let fresh = answers().await;
    assert!(!fresh[0].is_empty());
    let known = "SELECT make_past_partitions(audit, '2026-01-01Z', '280320 hours') FROM unnest('{f,t}'::boolean[]) AS audit;
                 UPDATE log_rows SET node_id = 1";
    owner.batch_execute(known).await.unwrap();
    Function::run("purge-job", &[("DATABASE_URL", &database.url("tetcore"))], &["compact"]);
    let left = owner.query_one("SELECT count(*) FROM log_rows", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
    assert_eq!(answers().await, fresh);
}

#[tokio::test]
async fn every_target_is_on_one_page() {
    let database = with_targets(100).await;
    let function = start(&database, &[]);
    let whole = function.get("/benchmarks/1/targets").await.rows();
    let all = targets(&whole);
    assert!(all.is_sorted_by(|left, right| left < right), "{all:?}");
    assert_eq!(all.len(), 100);
    for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)] {
        let pages = function.pages(&format!("/benchmarks/1/targets?{query}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "500")]);
    assert!(small.get("/benchmarks/1/targets").await.body.len() <= 500);
    let pages = small.pages("/benchmarks/1/targets").await;
    assert_eq!(pages.concat(), whole);
    assert!((4..10).contains(&pages.len()), "{}", pages.len());
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&with_targets(1).await, &[]);
    for (path, parameter, expected) in [
        ("/benchmarks/0/targets", "id", "from 1 to 2147483647"),
        ("/benchmarks/x/targets", "id", "`x`"),
        ("/benchmarks/1/targets?id=1", "id", "more than once"),
        ("/benchmarks/1/targets?limit=0", "limit", "from 1 to 10000"),
        ("/benchmarks/1/targets?limit=-0", "limit", "from 1 to 10000"),
        ("/benchmarks/1/targets?target=a", "target", "unknown parameter"),
        ("/benchmarks/1/targets?cursor=%00", "cursor", "U+0000"),
    ] {
        function.get(path).await.assert_problem(400, Some(parameter), expected);
    }
    function.get("/benchmarks/3/targets").await.assert_problem(404, None, "no such benchmark");
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&with_targets(1).await, &[]);
    function.get("/benchmarks/targets").await.assert_problem(404, None, "no such path");
    assert_eq!(function.get("/benchmarks/1/targets/").await.status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/benchmarks/1/targets", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method}");
    }
    let answer = function.post("/benchmarks/1/targets", &json!({ "target": "a" })).await;
    answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
}
