//! What `GET /reputation` and `GET /reputation/logged` answer: reports of all peers, and of those
//! that send telemetry, too.
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

/// A function, its path, and which of the peers `a`, the reporter before and `z` it tells of.
struct Route {
    function: &'static str,
    path: &'static str,
    tells: &'static [usize],
    /// What is no route of it.
    others: [&'static str; 3],
}

const ROUTES: [Route; 2] = [
    Route {
        function: "query-all-reputation",
        path: "/reputation",
        tells: &[0, 1, 2],
        others: ["/reputations", "/reputation/a", "/reputation/logged"],
    },
    Route {
        function: "query-logged-reputation",
        path: "/reputation/logged",
        tells: &[1],
        others: ["/reputation", "/reputation/logged/x", "/reputation/a"],
    },
];

impl Route {
    fn start(&self, database: &Database, settings: &[(&str, &str)]) -> Function {
        let url = database.url("tetcore_query");
        Function::start(self.function, &[&[("DATABASE_URL", url.as_str())], settings].concat())
    }

    /// What it tells of these.
    fn told<T: Copy + Into<Value>>(&self, all: [T; 3]) -> Value {
        self.tells.iter().map(|index| all[*index].into()).collect()
    }
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
async fn what_each_node_says() {
    for route in &ROUTES {
        let database = with_reports(2).await;
        let sql = "UPDATE reputation_reports SET reported_at = '2026-01-01T00:00:00.25Z' WHERE node_id = node_id('reporter2');
               DELETE FROM reputation_reports WHERE node_id = node_id('reporter1')";
        database.owner().await.batch_execute(sql).await.unwrap();
        let answer = route.start(&database, &[]).get(&format!("{}?{ALL}", route.path)).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.next(), None);
        let told = json!([{
            "reporting_peer": "reporter2",
            "remote_peer": route.told(["a", "reporter1", "z"]),
            "reputation": route.told([-2, 2, 0]),
            "connected": route.told([true, true, false]),
            "ts": "2026-01-01T00:00:00.250",
        }]);
        assert_eq!(answer.json(), told);
    }
}

#[tokio::test]
async fn an_empty_database_has_no_reports() {
    for route in &ROUTES {
        let answer = route.start(&Database::new(), &[]).get(route.path).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
        assert_eq!(answer.next(), None);
    }
}

#[tokio::test]
async fn age_and_number_are_limited() {
    for route in &ROUTES {
        let database = with_reports(10).await;
        let function = route.start(&database, &[]);
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
            let answer = function.get(&format!("{}?{query}", route.path)).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.text());
            assert_eq!(answer.rows().len(), count, "{query}");
        }
    }
}

#[tokio::test]
async fn the_latest_report_of_each_reporter_counts() {
    for route in &ROUTES {
        let database = with_reports(2).await;
        let owner = database.owner().await;
        // Reporter 1 has said something else 2 s later, and reporter 2 2 s earlier.
        let sql = "INSERT INTO reputation_reports
               SELECT node_id, true, reported_at + interval '2 s' * (3 - 2 * peer_connection_id), remote_ids, remote_peers, '{7,8,9}', connected
               FROM reputation_reports
               JOIN nodes ON nodes.id = node_id";
        owner.execute(sql, &[]).await.unwrap();
        let function = route.start(&database, &[]);
        let rows = function.get(route.path).await.rows();
        assert_eq!(reporters(&rows), ["reporter1", "reporter2"]);
        let says = |row: &Value| row["reputation"].clone();
        // Reporter 1 knows no other reporter.
        let knows = |number: i64, all: [i64; 3]| match (number, route.tells) {
            (1, [1]) => json!([]),
            _ => route.told(all),
        };
        assert_eq!([says(&rows[0]), says(&rows[1])], [knows(1, [7, 8, 9]), knows(2, [-2, 2, 0])]);
        // Both of a node are of one moment: the one that never expires counts.
        let sql = "UPDATE reputation_reports SET reported_at = now() - interval '1 s'";
        owner.execute(sql, &[]).await.unwrap();
        let rows = function.get(route.path).await.rows();
        for row in &rows {
            let number = if row["reporting_peer"] == "reporter1" { 1 } else { 2 };
            assert_eq!(says(row), knows(number, [7, 8, 9]));
        }
    }
}

#[tokio::test]
async fn every_report_is_on_one_page() {
    for route in &ROUTES {
        let database = with_reports(100).await;
        let function = route.start(&database, &[]);
        let whole = function.pages(&format!("{}?{ALL}&limit=1000", route.path)).await.concat();
        assert!(whole.is_sorted_by(|newer, older| newer["ts"].as_str() >= older["ts"].as_str()));
        let all: BTreeSet<&str> = reporters(&whole).into_iter().collect();
        assert_eq!((all.len(), whole.len()), (100, 100));
        for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)]
        {
            let pages = function.pages(&format!("{}/?{query}&{ALL}", route.path)).await;
            assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
        }
        // A page that would grow too large ends early.
        let small = route.start(&database, &[("MAX_RESPONSE_BYTES", "2_000")]);
        let path = format!("{}?limit=1000&{ALL}", route.path);
        assert!(small.get(&path).await.body.len() <= 2000);
        let pages = small.pages(&path).await;
        assert_eq!(pages.concat(), whole);
        assert!((6..16).contains(&pages.len()), "{}", pages.len());
    }
}

/// What becomes of network states as some node might send them.
#[tokio::test]
async fn odd_network_states_break_nothing() {
    for route in &ROUTES {
        let database = with_reports(1).await;
        let owner = database.owner().await;
        let function = route.start(&database, &[]);
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
            let answer = function.get(route.path).await;
            assert_eq!(answer.status, 200, "{nodes}: {}", answer.text());
            let reputations = answer.rows().first().map(|row| row["reputation"].clone());
            assert_eq!(reputations, expected, "{nodes}");
        }
    }
}

#[tokio::test]
async fn odd_reports_break_nothing() {
    for route in &ROUTES {
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
        let rows = route.start(&database, &[]).get(&format!("{}?{ALL}", route.path)).await.rows();
        let sound: Vec<&Value> =
            rows.iter().filter(|row| row["reporting_peer"] == "reporter4").collect();
        assert_eq!(sound.len(), 1);
        for row in &rows {
            let lengths = ["remote_peer", "reputation", "connected"]
                .map(|list| row[list].as_array().unwrap().len());
            assert!(lengths.iter().all(|length| *length == lengths[0]), "side by side: {row}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for route in &ROUTES {
        let function = route.start(&Database::new(), &[]);
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
            let answer = function.get(&format!("{}?{query}", route.path)).await;
            answer.assert_problem(400, Some(parameter), expected);
        }
    }
}

#[tokio::test]
async fn routes_and_methods() {
    for route in &ROUTES {
        let function = route.start(&Database::new(), &[]);
        for path in route.others {
            function.get(path).await.assert_problem(404, None, "no such path");
        }
        assert_eq!(function.get(&format!("{}/", route.path)).await.status, 200);
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = request(function.address(), method, route.path, &[]).await;
            answer.assert_problem(405, None, "GET, HEAD, OPTIONS");
            assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS", "{method}");
        }
    }
}
