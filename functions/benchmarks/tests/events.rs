//! What `GET /benchmarks/{id}/events` and `POST /benchmarks/events` answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// Benchmarks 1 and 2, and `$1` events of the first, of which each three are of one moment.
const EVENTS: &str = "
    WITH benchmark AS (INSERT INTO benchmarks (setup) VALUES ('1'), ('2') RETURNING id)
    INSERT INTO benchmark_events (benchmark_id, name, phase, created_at)
    SELECT id, 'event ' || number, 'begin', timestamptz '2026-01-01Z' + interval '1 second' * (number / 3)
    FROM benchmark, generate_series(1, $1::int) AS number
    WHERE id = 1";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_admin");
    Function::start("benchmarks", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_events(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(EVENTS, &[&count]).await.unwrap();
    database
}

fn event() -> Value {
    json!({ "benchmark_id": 1, "name": "import", "phase": "end", "created_at": "2019-01-01T02:00:00.5+02:00" })
}

#[tokio::test]
async fn what_was_added_is_listed() {
    let function = start(&with_events(0).await, &[]);
    let added = function.post("/benchmarks/events", &event()).await;
    assert_eq!(added.status, 201, "{}", added.text());
    assert_eq!(
        added.text(),
        r#"{"id":1,"benchmark_id":1,"name":"import","phase":"end","created_at":"2019-01-01T00:00:00.500"}"#
    );
    // Without a time, it happened now.
    let mut now = event();
    now.as_object_mut().unwrap().remove("created_at");
    let later = function.post("/benchmarks/events/", &now).await;
    assert_eq!(later.status, 201, "{}", later.text());
    assert!(later.json()["created_at"].as_str().unwrap() > "2026");
    let events = function.get("/benchmarks/1/events").await.json();
    assert_eq!(events, json!([added.json(), later.json()]));
    assert_eq!(function.get("/benchmarks/2/events").await.text(), "[]");
}

#[tokio::test]
async fn events_come_in_the_order_of_time() {
    let function = start(&with_events(2).await, &[]);
    assert_eq!(function.post("/benchmarks/events", &event()).await.status, 201);
    let events = function.get("/benchmarks/1/events").await.rows();
    let names: Vec<&str> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["import", "event 1", "event 2"]);
}

#[tokio::test]
async fn every_event_is_on_one_page() {
    let database = with_events(100).await;
    let function = start(&database, &[]);
    let whole = function.get("/benchmarks/1/events").await.rows();
    let ids: Vec<i64> = whole.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)] {
        let pages = function.pages(&format!("/benchmarks/1/events/?{query}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "1_000")]);
    assert!(small.get("/benchmarks/1/events").await.body.len() <= 1000);
    let pages = small.pages("/benchmarks/1/events").await;
    assert_eq!(pages.concat(), whole);
    assert!((9..20).contains(&pages.len()), "{}", pages.len());
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_named() {
    let function = start(&with_events(1).await, &[]);
    for (path, parameter, expected) in [
        ("/benchmarks/0/events", "id", "from 1 to 2147483647"),
        ("/benchmarks/-1/events", "id", "from 1 to 2147483647"),
        ("/benchmarks/2147483648/events", "id", "from 1 to 2147483647"),
        ("/benchmarks/one/events", "id", "`one`"),
        ("/benchmarks/1.5/events", "id", "`1.5`"),
        ("/benchmarks/1&limit=0/events", "id", "`1&limit=0`"),
        ("/benchmarks/%31%26limit=0/events", "id", "from 1 to 2147483647"),
        ("/benchmarks/1/events?id=2", "id", "more than once"),
        ("/benchmarks/1/events?limit=0", "limit", "from 1 to 10000"),
        ("/benchmarks/1/events?limit=10001", "limit", "from 1 to 10000"),
        ("/benchmarks/1/events?cursor=1", "cursor", "Link"),
        ("/benchmarks/1/events?name=a", "name", "unknown parameter"),
        ("/benchmarks/1/events?cursor=%00", "cursor", "U+0000"),
    ] {
        function.get(path).await.assert_problem(400, Some(parameter), expected);
    }
    // To JSON Schema, 1.0 is a whole number.
    for id in ["%31", "1.0"] {
        assert_eq!(function.get(&format!("/benchmarks/{id}/events")).await.status, 200, "{id}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_member_is_named() {
    let function = start(&with_events(0).await, &[]);
    for (member, value, expected) in [
        ("benchmark_id", json!("1"), "expected"),
        ("benchmark_id", json!(null), "expected"),
        ("benchmark_id", json!(-1), "expected"),
        ("benchmark_id", json!(2_147_483_648_u32), "from 0 to 2147483647"),
        ("name", json!(null), "expected a string"),
        ("name", json!({}), "expected a string"),
        ("phase", json!(1), "expected a string"),
        ("created_at", json!("now"), "2019-01-01T00:00:00"),
        ("created_at", json!(1_546_300_800), "expected a string"),
        ("id", json!(1), "unknown"),
    ] {
        let mut body = event();
        body[member] = value;
        let answer = function.post("/benchmarks/events", &body).await;
        answer.assert_problem(422, Some(member), expected);
    }
    for member in ["benchmark_id", "name", "phase"] {
        let mut body = event();
        body.as_object_mut().unwrap().remove(member);
        let answer = function.post("/benchmarks/events", &body).await;
        answer.assert_problem(422, Some(member), "missing");
        let mut body = event();
        body[member] = json!("a\0b");
        function.post("/benchmarks/events", &body).await.assert_problem(422, None, "U+0000");
    }
    assert_eq!(function.get("/benchmarks/1/events").await.text(), "[]", "nothing was stored");
}

#[tokio::test]
async fn the_benchmark_must_be_there() {
    let function = start(&with_events(1).await, &[]);
    for id in [3, i32::MAX] {
        let answer = function.get(&format!("/benchmarks/{id}/events")).await;
        answer.assert_problem(404, None, "no such benchmark");
        let mut body = event();
        body["benchmark_id"] = json!(id);
        let answer = function.post("/benchmarks/events", &body).await;
        answer.assert_problem(409, Some("benchmark_id"), "nothing of this number");
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&with_events(0).await, &[]);
    for (path, allowed) in
        [("/benchmarks/1/events", "GET, HEAD, OPTIONS"), ("/benchmarks/events", "POST, OPTIONS")]
    {
        for method in ["PUT", "DELETE", "PATCH"] {
            let answer = request(function.address(), method, path, &[]).await;
            answer.assert_problem(405, None, allowed);
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        }
    }
    function.post("/benchmarks/1/events", &event()).await.assert_problem(405, None, "GET");
    let answer = function.get("/benchmarks/events").await;
    answer.assert_problem(405, None, "POST");
    assert_eq!(answer.headers["allow"], "POST, OPTIONS");
}
