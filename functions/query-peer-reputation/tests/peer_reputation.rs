//! What `GET /reputation/{peer_id}` answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Answer, Database, Function, request};

/// Reporters 1 to `$2`, of which each three report at one moment, a minute after each other and at
/// least 10 s ago: of `$1` their number, connected to it if that is even, and of some others.
const REPORTS: &str = "
    WITH reporter AS (
        INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
        SELECT node_id('reporter' || number), 'reporter' || number, number, now(), now()
        FROM generate_series(1, $2::int) AS number
        RETURNING id, peer_connection_id AS number
    )
    INSERT INTO reputation_reports (node_id, audit, reported_at, remote_ids, remote_peers, reputations, connected)
    SELECT id, false, now() - interval '1 minute' * (number / 3) - interval '10 s',
           ARRAY[node_id('a'), node_id($1), node_id('z')], ARRAY['a', $1, 'z'],
           ARRAY[-1, number, -2], ARRAY[true, number % 2 = 0, true]
    FROM reporter";

/// The longest age there is.
const ALL: &str = "max_age_s=1000000000";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    let settings = [&[("DATABASE_URL", url.as_str())], settings].concat();
    Function::start("query-peer-reputation", &settings)
}

async fn with_reports(peer: &str, count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(REPORTS, &[&peer, &count]).await.unwrap();
    database
}

fn reputations(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["reputation"].as_i64().unwrap()).collect()
}

async fn reputations_of(function: &Function, path: &str) -> Vec<i64> {
    let answer: Answer = function.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    reputations(&answer.rows())
}

#[tokio::test]
async fn what_others_say_of_one_peer() {
    let database = with_reports("peer", 1).await;
    let sql = "UPDATE reputation_reports SET reported_at = '2026-01-01T00:00:00.25Z', reputations[2] = -9223372036854775808";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let answer = start(&database, &[]).get(&format!("/reputation/peer?{ALL}")).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.next(), None);
    assert_eq!(
        answer.text(),
        r#"[{"reporting_peer":"reporter1","reputation":-9223372036854775808,"connected":false,"ts":"2026-01-01T00:00:00.250"}]"#
    );
}

#[tokio::test]
async fn nothing_is_said_of_whom_nobody_knows() {
    for database in [Database::new(), with_reports("peer", 3).await] {
        let answer = start(&database, &[]).get(&format!("/reputation/nobody?{ALL}")).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
        assert_eq!(answer.next(), None);
    }
}

#[tokio::test]
async fn age_and_number_are_limited() {
    let database = with_reports("peer", 10).await;
    let function = start(&database, &[]);
    for (query, count) in [
        // Reporters 1 and 2 are 10 s old, the next three 70 s, and so on.
        ("", 2),
        ("?max_age_s=60", 2),
        ("?max_age_s=1", 0),
        ("?max_age_s=120", 5),
        ("?max_age_s=120&limit=4", 4),
        ("?max_age_s=1000000000", 10),
        ("?max_age_s=1000000000&limit=1", 1),
        ("?limit=10000", 2),
    ] {
        let reputations = reputations_of(&function, &format!("/reputation/peer{query}")).await;
        assert_eq!(reputations.len(), count, "{query}");
    }
}

#[tokio::test]
async fn the_latest_report_of_each_reporter_counts() {
    let database = with_reports("peer", 3).await;
    let sql = "INSERT INTO reputation_reports
               SELECT node_id, true, now() - interval '5 s' * number, remote_ids, remote_peers, ARRAY[0, 10 * number, 0], connected
               FROM generate_series(1, 3) AS number
               JOIN reputation_reports ON node_id = node_id('reporter' || number)";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let function = start(&database, &[]);
    // Of reporters 1 and 3 the audit report is later. Both of reporter 2 are of one moment: one counts.
    let all = reputations_of(&function, &format!("/reputation/peer?{ALL}")).await;
    assert_eq!(all, [10, 20, 30]);
    // A report that is too old is not replaced by an older one.
    let sql = "UPDATE reputation_reports SET remote_ids = '{}' WHERE audit";
    database.owner().await.execute(sql, &[]).await.unwrap();
    let all = reputations_of(&function, &format!("/reputation/peer?{ALL}")).await;
    assert_eq!(all, Vec::<i64>::new());
}

#[tokio::test]
async fn every_report_is_on_one_page() {
    let database = with_reports("peer", 100).await;
    let function = start(&database, &[]);
    let whole = function.pages(&format!("/reputation/peer?{ALL}&limit=1000")).await.concat();
    assert!(whole.is_sorted_by(|newer, older| newer["ts"].as_str() >= older["ts"].as_str()));
    let mut sorted = reputations(&whole);
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=100).collect::<Vec<_>>());
    for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)] {
        let pages = function.pages(&format!("/reputation/peer/?{query}&{ALL}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "1_000")]);
    let path = format!("/reputation/peer?limit=1000&{ALL}");
    assert!(small.get(&path).await.body.len() <= 1000);
    let pages = small.pages(&path).await;
    assert_eq!(pages.concat(), whole);
    assert!((9..20).contains(&pages.len()), "{}", pages.len());
}

/// What stands in a segment of the path is the peer, whatever it means elsewhere.
#[tokio::test]
async fn a_peer_may_look_like_parameters() {
    let database = with_reports("plain", 1).await;
    let owner = database.owner().await;
    let function = start(&database, &[]);
    for (peer, segment) in [
        ("a&limit=0", "a&limit=0"),
        ("a&peer_id=plain", "a&peer_id=plain"),
        ("peer_id=plain", "peer_id=plain"),
        ("=", "="),
        ("&", "&"),
        ("a+b", "a+b"),
        ("a b", "a%20b"),
        ("a&b", "a%26b"),
        ("a=b", "a%3Db"),
        ("a+b", "a%2Bb"),
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("a%26b", "a%2526b"),
        ("a;b", "a;b"),
        ("é", "%C3%A9"),
        ("'\"\\", "'%22%5C"),
        ("{peer_id}", "%7Bpeer_id%7D"),
        ("..", "%2E%2E"),
    ] {
        let sql = "UPDATE reputation_reports SET remote_ids[2] = node_id($1)";
        owner.execute(sql, &[&peer]).await.unwrap();
        let path = format!("/reputation/{segment}?{ALL}&limit=1");
        assert_eq!(reputations_of(&function, &path).await, [1], "{segment}");
    }
    let answer = function.get("/reputation/a?peer_id=plain").await;
    answer.assert_problem(400, Some("peer_id"), "more than once");
    function.get("/reputation/a%00b").await.assert_problem(400, Some("peer_id"), "U+0000");
}

#[tokio::test]
async fn odd_reports_break_nothing() {
    let database = with_reports("peer", 4).await;
    let owner = database.owner().await;
    for (number, change) in [
        (1, "remote_ids = '{}', remote_peers = '{}', reputations = '{}', connected = '{}'"),
        (2, "reputations = '{}'"),
        (3, "connected[2] = NULL"),
    ] {
        let sql = format!(
            "UPDATE reputation_reports SET {change} WHERE node_id = node_id('reporter{number}')"
        );
        owner.execute(&sql, &[]).await.unwrap();
    }
    // A report of whom nobody knows.
    let sql = "INSERT INTO reputation_reports VALUES (5, true, 'infinity', ARRAY[node_id('peer')], '{peer}', '{5}', '{true}')";
    owner.execute(sql, &[]).await.unwrap();
    let function = start(&database, &[]);
    assert_eq!(reputations_of(&function, &format!("/reputation/peer?{ALL}")).await, [4]);
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
        ("peer=b", "peer", "unknown parameter"),
        ("cursor=%00", "cursor", "U+0000"),
    ] {
        let answer = function.get(&format!("/reputation/a?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new(), &[]);
    for path in ["/", "/reputation", "/reputation/", "/reputation/a/b", "/reputations/a"] {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/reputation/a", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method}");
    }
    assert_eq!(function.get("/reputation/a").await.json(), json!([]));
}
