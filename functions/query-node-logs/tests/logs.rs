//! What `GET /nodes/logs` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Answer, Database, Function, Postgres, eventually, get, request};

/// A peer's connections 1 and 2, and rows 1 to `$2` of them: two in each second from 2026-01-01 on,
/// of three types in turn, every second one audit, with one of two targets or none.
const ROWS: &str = r#"
    WITH connections AS (
        INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, node_id, last_seen)
        SELECT hashtext($1) * 2::bigint + number, '192.0.2.' || number, $1, '2026-01-01Z', number = 1, node_id($1), '2026-01-01Z'
        FROM generate_series(1, 2) AS number
    )
    INSERT INTO log_rows (id, created_at, peer_connection_id, node_id, audit, msg, logs)
    SELECT number, timestamptz '2026-01-01Z' + interval '1 second' * (number / 2),
           hashtext($1) * 2::bigint + 1 + number % 2, node_id($1), number % 2 = 0, msg,
           jsonb_build_object('msg', msg, 'number', number)
           || CASE number % 4 WHEN 0 THEN '{"target": "sync"}' WHEN 1 THEN '{"target": "peer-set"}' ELSE '{}' END::jsonb
    FROM generate_series(1, $2::int) AS number,
         LATERAL (SELECT (ARRAY['system.interval', 'block.import', NULL])[number % 3 + 1]) AS type (msg)"#;

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    Function::start("query-node-logs", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_rows(peer: &str, rows: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(ROWS, &[&peer, &rows]).await.unwrap();
    database.note_rows().await;
    database
}

/// Changes rows as `SET …` says, and counts them where they are then.
async fn move_rows(database: &Database, change: &str) {
    let sql = format!(
        "WITH moved AS (UPDATE log_rows SET {change} RETURNING *)
         SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)) FROM moved"
    );
    database.owner().await.execute(&sql, &[]).await.unwrap();
}

fn number(entry: &Value) -> i64 {
    entry["logs"]["number"].as_i64().unwrap()
}

fn numbers(answer: &Answer) -> Vec<i64> {
    answer.rows().iter().map(number).collect()
}

/// All pages from `path` on, and how many there were.
async fn pages(function: &Function, path: &str) -> (Vec<i64>, usize) {
    let pages = function.pages(path).await;
    (pages.iter().flatten().map(number).collect(), pages.len())
}

#[tokio::test]
async fn an_entry_is_as_it_was_in_0_1_4() {
    let database = with_rows("12D3&Koo", 1).await;
    let owner = database.owner().await;
    // Another node's rows, and those of nobody yet.
    owner.execute(ROWS, &[&"other", &10]).await.unwrap();
    database.note_rows().await;
    owner.execute("UPDATE log_rows SET node_id = NULL WHERE id > 5", &[]).await.unwrap();
    let function = start(&database, &[]);
    let answer = function.get("/nodes/logs?peer_id=12D3%26Koo").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let logs = json!({ "msg": "block.import", "number": 1, "target": "peer-set" });
    assert_eq!(
        answer.json(),
        json!([{
            "ip_addr": "192.0.2.2",
            "peer_id": "12D3&Koo",
            "msg": "block.import",
            "created_at": "2026-01-01T00:00:00",
            "logs": logs,
        }])
    );
    assert_eq!(function.get("/nodes/logs?peer_id=nobody").await.text(), "[]");
    assert_eq!(numbers(&function.get("/nodes/logs?peer_id=other").await), [5, 4, 3, 2, 1]);
    assert_eq!(start(&Database::new(), &[]).get("/nodes/logs?peer_id=a").await.text(), "[]");
}

#[tokio::test]
async fn numbers_come_back_as_they_were_sent() {
    let database = with_rows("peer", 1).await;
    let huge = r#"{"n": 12345678901234567890123456789.5, "tiny": 0.10, "number": 1}"#;
    let sql =
        format!("UPDATE log_rows SET logs = '{huge}', created_at = '2026-01-01T00:00:00.000001Z'");
    database.owner().await.execute(&sql, &[]).await.unwrap();
    let text = start(&database, &[]).get("/nodes/logs?peer_id=peer").await.text();
    assert!(text.contains(huge) && text.contains("\"2026-01-01T00:00:00.000001\""), "{text}");
}

#[tokio::test]
async fn filters() {
    let database = with_rows("peer", 1200).await;
    let function = start(&database, &[]);
    // Row n is of second n / 2.
    for (query, count) in [
        ("", 100),
        ("limit=10000", 1200),
        ("limit=10000&msg=block.import", 400),
        ("limit=10000&msg=block", 0),
        ("limit=10000&target=sync", 300),
        ("limit=10000&target=peer-set&msg=system.interval", 100),
        ("start_time=2026-01-01T00:09:59", 3),
        ("start_time=2026-01-01T00:09:59.000001", 1),
        ("end_time=2026-01-01T00:00:01", 3),
        ("end_time=2026-01-01T00:00:00.999999", 1),
        ("start_time=2026-01-01T00:00:10&end_time=2026-01-01T00:00:12", 6),
        ("start_time=2026-01-01T02:00:10%2B02:00&end_time=2025-12-31T19:00:12-05:00", 6),
        ("start_time=2026-01-01T00:00:10Z&end_time=2026-01-01T00:00:12Z&msg=block.import", 2),
        (
            "start_time=2026-01-01T00:00:10&end_time=2026-01-01T00:00:12&target=sync&msg=system.interval",
            1,
        ),
        ("start_time=2026-01-01T00:00:12&end_time=2026-01-01T00:00:10", 0),
        ("start_time=0001-01-01T00:00:00&end_time=9999-12-31T23:59:59&limit=3", 3),
        ("limit=1", 1),
    ] {
        let answer = function.get(&format!("/nodes/logs?peer_id=peer&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let numbers = numbers(&answer);
        assert_eq!(numbers.len(), count, "{query}: {numbers:?}");
        assert!(numbers.is_sorted_by(|newer, older| newer > older), "newest first: {numbers:?}");
    }
}

#[tokio::test]
async fn what_is_said_to_be_of_the_future_is_not_asked_for_by_default() {
    let database = with_rows("peer", 3).await;
    move_rows(&database, "created_at = now() + interval '1 hour' WHERE id = 3").await;
    let function = start(&database, &[]);
    assert_eq!(numbers(&function.get("/nodes/logs?peer_id=peer").await), [2, 1]);
    let (all, _) =
        pages(&function, "/nodes/logs?peer_id=peer&end_time=2999-01-01T00:00:00&limit=1").await;
    assert_eq!(all, [3, 2, 1]);
}

#[tokio::test]
async fn every_row_is_on_one_page() {
    let database = with_rows("peer", 1000).await;
    // More rows of one moment than a page holds.
    let sql =
        "UPDATE log_rows SET created_at = '2026-01-01T00:02:00Z' WHERE id BETWEEN 200 AND 240";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let function = start(&database, &[]);
    let newest_first: Vec<i64> = (1..=1000).rev().collect();
    for (query, count) in
        [("limit=7", 143), ("limit=10", 101), ("", 11), ("limit=1000", 2), ("limit=1001", 1)]
    {
        let (all, pages) = pages(&function, &format!("/nodes/logs?peer_id=peer&{query}")).await;
        let mut sorted = all.clone();
        sorted.sort_unstable_by(|left, right| right.cmp(left));
        assert_eq!((&sorted, pages), (&newest_first, count), "{query}");
    }
    let filters = "target=sync&start_time=2026-01-01T00:01:00&end_time=2026-01-01T00:02:30";
    let (all, count) =
        pages(&function, &format!("/nodes/logs?limit=5&{filters}&peer_id=peer")).await;
    let (whole, _) =
        pages(&function, &format!("/nodes/logs?limit=1000&{filters}&peer_id=peer")).await;
    assert!(whole.len() > 40 && count > 8);
    assert_eq!(all, whole);
    // Rows that come meanwhile are newer, and move nothing.
    let first = function.get("/nodes/logs?peer_id=peer&limit=500").await;
    let change = "created_at = created_at + interval '1 day' WHERE id <= 500 AND id > 450";
    move_rows(&database, change).await;
    let (rest, _) = pages(&function, &first.next().unwrap()).await;
    assert_eq!((rest.len(), rest.last()), (450, Some(&1)));
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "5_000")]);
    let path = "/nodes/logs?peer_id=peer&limit=1000";
    assert!(small.get(path).await.body.len() <= 5000);
    let (all, count) = pages(&small, path).await;
    assert_eq!(all.len(), 1000);
    assert!((25..60).contains(&count), "{count}");
}

/// 600 rows in all partitions: of 2019, of these minutes, of the coming days and of next year, half of them
/// audit. One row in 100 has a target, one in 60
/// a type of its own, and so have the last ones.
const WIDE: &str = r#"
    WITH connection AS (
        INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, node_id, last_seen)
        VALUES (1, '::1', 'peer', now(), false, node_id('peer'), now())
    )
    INSERT INTO log_rows (created_at, peer_connection_id, node_id, audit, msg, logs)
    SELECT moment + number * interval '1 second', 1, node_id('peer'), number % 2 = 0,
           CASE WHEN number > 590 THEN 'late' WHEN number % 60 = 0 THEN 'rare' ELSE 'frequent' END,
           jsonb_build_object('number', number)
           || CASE number % 100 WHEN 7 THEN '{"target": "rare"}' ELSE '{}' END::jsonb
    FROM generate_series(0, 599) AS number,
         LATERAL (SELECT (ARRAY['2019-01-01Z', now() - interval '225 seconds', now() + interval '4 days',
                                now() + interval '1 year'])[number / 150 + 1]) AS place (moment)"#;

#[tokio::test]
async fn every_message_is_found_wherever_it_lies() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.execute(WIDE, &[]).await.unwrap();
    database.note_rows().await;
    let function = start(&database, &[]);
    let numbers =
        |wanted: fn(i64) -> bool| (0..600).rev().filter(|number| wanted(*number)).collect();
    let cases: [(&str, Vec<i64>); 8] = [
        ("", numbers(|_| true)),
        ("&msg=rare", numbers(|number| number % 60 == 0)),
        ("&target=rare", numbers(|number| number % 100 == 7)),
        ("&target=rare&msg=frequent", numbers(|number| number % 100 == 7)),
        ("&target=rare&msg=rare", Vec::new()),
        ("&msg=late", numbers(|number| number > 590)),
        ("&msg=unknown", Vec::new()),
        (
            "&start_time=2019-01-01T00:01:00Z&end_time=2019-01-01T00:02:00Z",
            (60..=120).rev().collect(),
        ),
    ];
    // First as noted, then as added up.
    for _ in 0..2 {
        for (query, expected) in &cases {
            let end = if query.contains("end_time") { "" } else { "&end_time=2100-01-01T00:00:00" };
            for limit in [3, 50, 10_000] {
                let path = format!("/nodes/logs?peer_id=peer&limit={limit}{query}{end}");
                let (all, _) = pages(&function, &path).await;
                assert_eq!(all, *expected, "{path}");
            }
        }
        // Up to now, which is somewhere in a partition.
        let (until_now, _) = pages(&function, "/nodes/logs?peer_id=peer&limit=40").await;
        assert_eq!(until_now.last(), Some(&0));
        assert!((150..300).contains(&until_now.len()), "{}", until_now.len());
        let fold = "SELECT fold_log_counts()";
        owner.execute(fold, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("", "peer_id", "missing parameter"),
        ("msg=a", "peer_id", "missing parameter"),
        ("peer_id=a&limit=0", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=10001", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=1.5", "limit", "from 1 to 10000"),
        ("peer_id=a&start_time=yesterday", "start_time", "2019-01-01T00:00:00"),
        ("peer_id=a&start_time=2026-13-01T00:00:00", "start_time", "2019-01-01T00:00:00"),
        ("peer_id=a&start_time=2026-01-01", "start_time", "2019-01-01T00:00:00"),
        ("peer_id=a&end_time=1767225600", "end_time", "2019-01-01T00:00:00"),
        ("peer_id=a&end_time=", "end_time", "2019-01-01T00:00:00"),
        // Times that PostgreSQL does not have.
        ("peer_id=a&start_time=-5000-01-01T00:00:00", "start_time", "2019-01-01T00:00:00"),
        ("peer_id=a&end_time=-262000-01-01T00:00:00", "end_time", "2019-01-01T00:00:00"),
        ("peer_id=a&cursor=-220000000000000000_1", "cursor", "Link"),
        ("peer_id=a&cursor=1", "cursor", "Link"),
        ("peer_id=a&cursor=1_99999999999999999999", "cursor", "Link"),
        ("peer_id=a&peer_id=b", "peer_id", "more than once"),
        ("peer_id=a&mgs=b", "mgs", "unknown parameter"),
        ("peer_id=a%00b", "peer_id", "U+0000"),
        ("peer_id=a&msg=%00", "msg", "U+0000"),
        ("peer_id=a&target=%00", "target", "U+0000"),
    ] {
        let answer = function.get(&format!("/nodes/logs?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn routes_methods_and_compression() {
    let database = with_rows("peer", 100).await;
    let function = start(&database, &[]);
    let address = function.address();
    let path = "/nodes/logs?peer_id=peer";
    for path in ["/", "/nodes", "/nodes/log?peer_id=peer", "/nodes/logs/x"] {
        assert_eq!(function.get(path).await.status, 404, "{path}");
    }
    let answer = request(address, "POST", path, &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["allow"]),
        (405, &"GET, HEAD, OPTIONS".parse().unwrap())
    );
    let whole = function.get(path).await;
    assert_eq!(function.get("/nodes/logs/?peer_id=peer").await.body, whole.body);
    let head = request(address, "HEAD", path, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], whole.body.len().to_string());
    let zipped = get(address, path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert_eq!(zipped.unzipped(), whole.body);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(function.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_is_used_again() {
    let mut postgres = Postgres::start();
    let database = postgres.database();
    database.owner().await.execute(ROWS, &[&"peer", &3]).await.unwrap();
    database.note_rows().await;
    // It starts without the database, too.
    postgres.crash();
    let function = start(&database, &[]);
    let path = "/nodes/logs?peer_id=peer";
    for path in [path, "/readyz"] {
        let answer = function.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["status"].as_u64()),
            (503, Some(503)),
            "{path}"
        );
    }
    assert_eq!(function.get("/healthz").await.status, 200);
    // What is wrong with the request is said all the same.
    assert_eq!(function.get("/nodes/logs").await.status, 400);
    for round in 0..2 {
        postgres.resume();
        eventually("it is ready", || async {
            (function.get("/readyz").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(numbers(&function.get(path).await), [3, 2, 1], "round {round}");
        postgres.crash();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_messages_answer_as_those_that_are_not() {
    let [fresh, packed] = [Database::new(), Database::new()];
    for database in [&fresh, &packed] {
        let owner = database.owner().await;
        let past = "SELECT make_past_partitions(audit, '2026-01-01Z', '280320 hours') FROM unnest('{f,t}'::boolean[]) AS audit";
        owner.batch_execute(past).await.unwrap();
        for (peer, rows) in [("peer", 1200), ("other", 100)] {
            owner.execute(ROWS, &[&peer, &rows]).await.unwrap();
        }
        database.note_rows().await;
    }
    let url = packed.url("tetcore");
    let settings = [("DATABASE_URL", url.as_str()), ("COMPACT_AFTER_H", "1")];
    Function::run("purge-job", &settings, &["compact"]);
    let owner = packed.owner().await;
    let slices = "SELECT count(*), sum(quantity) FROM log_slices";
    let slices = owner.query_one(slices, &[]).await.unwrap();
    assert_eq!((slices.get::<_, i64>(0), slices.get::<_, i64>(1)), (8, 1300));
    // Some come late.
    for database in [&fresh, &packed] {
        let late = "INSERT INTO log_rows
                    SELECT id + 10000, created_at, peer_connection_id, node_id, audit, msg, logs FROM tetcore_logs WHERE id % 100 = 0";
        database.owner().await.execute(late, &[]).await.unwrap();
    }
    let [fresh, packed] = [start(&fresh, &[]), start(&packed, &[])];
    for query in [
        "",
        "limit=10000",
        "limit=7&msg=block.import",
        "limit=300&msg=block",
        "limit=10&target=sync",
        "limit=100&target=peer-set&msg=system.interval",
        "limit=3&start_time=2026-01-01T00:09:50",
        "limit=33&end_time=2026-01-01T00:02:01",
        "limit=5&start_time=2026-01-01T00:01:10&end_time=2026-01-01T00:03:12",
        "start_time=2026-01-01T00:01:10&end_time=2026-01-01T00:03:12&target=sync&msg=system.interval",
        "format=csv",
    ] {
        let path = format!("/nodes/logs?peer_id=peer&{query}");
        if query == "format=csv" {
            assert_eq!(fresh.get(&path).await.body, packed.get(&path).await.body);
            continue;
        }
        let [fresh, packed] = [fresh.pages(&path).await, packed.pages(&path).await];
        assert!(!fresh.is_empty(), "{query}");
        assert_eq!(fresh, packed, "{query}");
    }
}
