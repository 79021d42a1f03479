//! What `GET /nodes/log_stats` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// What is counted of node `$1`, and the differences noted since: of types that came, went, or
/// did both, and of another node.
const COUNTS: &str = "
    WITH counted AS (
        INSERT INTO log_counts (node_id, audit, partition_start, msg, quantity)
        VALUES (node_id($1), false, '2026-01-01Z', 'system.interval', 5000000000),
               (node_id($1), false, '2026-01-02Z', 'system.interval', 10),
               (node_id($1), true, '2026-01-01Z', 'system.interval', 1),
               (node_id($1), false, '2026-01-01Z', 'gone', 3),
               (node_id($1), false, '-infinity', NULL, 2),
               (node_id('other'), false, '2026-01-01Z', 'system.interval', 7)
    )
    INSERT INTO log_count_notes (shard, audit, hour, node_ids, msgs, quantities)
    VALUES (log_count_shard(node_id($1)), false, '2026-01-01Z',
            ARRAY[node_id($1), node_id($1), node_id($1), node_id('other')],
            ARRAY['system.interval', 'block.import', NULL, 'block.import'], ARRAY[1, 4, 1, 8]),
           (log_count_shard(node_id($1)), false, '2026-01-01Z', ARRAY[node_id($1)], ARRAY['gone'], ARRAY[-3])";

/// Types `msg1` to `msg<$2>` of node `$1`, as many of each as its number, and as many without one.
const TYPES: &str = "
    INSERT INTO log_counts (node_id, audit, partition_start, msg, quantity)
    SELECT node_id($1), false, '2026-01-01Z', nullif('msg' || number, 'msg0'), number + 1
    FROM generate_series(0, $2::int) AS number";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    Function::start("query-log-stats", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

#[tokio::test]
async fn what_was_counted_and_what_was_noted_since() {
    let database = Database::new();
    database.owner().await.execute(COUNTS, &[&"12D3&Koo"]).await.unwrap();
    let function = start(&database, &[]);
    let answer = function.get("/nodes/log_stats?peer_id=12D3%26Koo").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.next(), None);
    assert_eq!(
        answer.text(),
        r#"[{"qty":3,"log_type":null},{"qty":4,"log_type":"block.import"},{"qty":5000000012,"log_type":"system.interval"}]"#
    );
    let other = function.get("/nodes/log_stats?peer_id=other").await;
    assert_eq!(other.json()[0], json!({ "qty": 7, "log_type": "system.interval" }));
    assert_eq!(function.get("/nodes/log_stats?peer_id=nobody").await.text(), "[]");
}

#[tokio::test]
async fn an_empty_database_has_nothing_to_count() {
    let answer = start(&Database::new(), &[]).get("/nodes/log_stats?peer_id=a").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn every_type_is_on_one_page() {
    let database = Database::new();
    database.owner().await.execute(TYPES, &[&"peer", &100]).await.unwrap();
    let function = start(&database, &[]);
    let [whole] = &function.pages("/nodes/log_stats?peer_id=peer").await[..] else {
        panic!("one page");
    };
    let quantities: i64 = whole.iter().map(|row| row["qty"].as_i64().unwrap()).sum();
    assert_eq!((whole.len(), quantities), (101, 5151));
    assert_eq!(whole[0], json!({ "qty": 1, "log_type": null }));
    let types: Vec<&str> = whole.iter().filter_map(|row| row["log_type"].as_str()).collect();
    assert!(types.is_sorted_by(|left, right| left.as_bytes() < right.as_bytes()), "{types:?}");
    for (query, count) in [("limit=1", 102), ("limit=7", 15), ("limit=101", 2), ("limit=102", 1)] {
        let pages = function.pages(&format!("/nodes/log_stats?{query}&peer_id=peer")).await;
        assert_eq!(pages.len(), count, "{query}");
        assert_eq!(pages.concat(), *whole, "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "500")]);
    assert!(small.get("/nodes/log_stats?peer_id=peer").await.body.len() <= 500);
    let pages = small.pages("/nodes/log_stats?peer_id=peer").await;
    assert_eq!(pages.concat(), *whole);
    assert!((6..12).contains(&pages.len()), "{}", pages.len());
}

/// Types that somebody made up, some of which look like ours.
#[tokio::test]
async fn odd_types_are_types() {
    let odd = ["", " ", ".", "..", "\"", "a,b\r\n", "%", "a&b=c", "é", "\u{10ffff}", "null"];
    let long = "x".repeat(256);
    let types: Vec<Option<&str>> =
        odd.iter().copied().chain([long.as_str()]).map(Some).chain([None]).collect();
    let database = Database::new();
    let sql = "INSERT INTO log_count_notes (shard, audit, hour, node_ids, msgs, quantities)
               SELECT log_count_shard(node_id('peer')), true, now(), array_agg(node_id('peer')), array_agg(msg), array_agg(1)
               FROM unnest($1::text[]) AS msg";
    database.owner().await.execute(sql, &[&types]).await.unwrap();
    let function = start(&database, &[]);
    for query in ["", "limit=1", "limit=5"] {
        let rows = function.pages(&format!("/nodes/log_stats?peer_id=peer&{query}")).await.concat();
        let mut answered: Vec<Value> = rows.iter().map(|row| row["log_type"].clone()).collect();
        let mut expected: Vec<Value> = types.iter().map(|msg| json!(msg)).collect();
        answered.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(answered, expected, "{query}");
    }
}

#[tokio::test]
async fn odd_notes_break_nothing() {
    let database = Database::new();
    let owner = database.owner().await;
    owner.execute(COUNTS, &[&"peer"]).await.unwrap();
    let sql = "INSERT INTO log_count_notes (shard, audit, hour, node_ids, msgs, quantities)
               SELECT log_count_shard(node_id('peer')), false, 'infinity', node_ids, msgs, quantities
               FROM (VALUES (ARRAY[node_id('peer')], '{}'::text[], '{}'::integer[]), ('{}', '{a}', '{1}'), ('{NULL}', '{b}', '{1}'),
                            (ARRAY[node_id('peer')], '{c}', '{NULL}'), (ARRAY[node_id('peer')], '{d}', '{-1}'))
                   AS odd (node_ids, msgs, quantities)";
    owner.execute(sql, &[]).await.unwrap();
    let rows = start(&database, &[]).get("/nodes/log_stats?peer_id=peer").await.rows();
    let types: Vec<&Value> = rows.iter().map(|row| &row["log_type"]).collect();
    assert_eq!(types, [&json!(null), &json!("block.import"), &json!("system.interval")]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("", "peer_id", "missing parameter"),
        ("limit=5", "peer_id", "missing parameter"),
        ("peer_id=a&limit=0", "limit", "from 1 to 10000, got `0`"),
        ("peer_id=a&limit=10001", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=-1", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=1.5", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=99999999999", "limit", "from 1 to 10000"),
        ("peer_id=a&limit=", "limit", "from 1 to 10000"),
        ("peer_id=a&peer_id=b", "peer_id", "more than once"),
        ("peer_id=a&cursor=b&cursor=c", "cursor", "more than once"),
        ("peer_id=a&msg=b", "msg", "unknown parameter"),
        ("peer_id=a%00b", "peer_id", "U+0000"),
        ("peer_id=a&cursor=%00", "cursor", "U+0000"),
    ] {
        let answer = function.get(&format!("/nodes/log_stats?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new(), &[]);
    for path in ["/", "/nodes", "/nodes/log_stats/x", "/nodes/logs"] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    assert_eq!(function.get("/nodes/log_stats/?peer_id=a").await.status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/nodes/log_stats?peer_id=a", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method}");
    }
}
