//! What `GET /benchmarks` and `POST /benchmarks` answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// Runs 1 to `$1` in either form in turn, on machine 1.
const RUNS: &str = "
    WITH machine AS (
        INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
        VALUES ('machine', 'linux', 4, 2600, 8192, 'NVME')
        RETURNING id
    )
    INSERT INTO benchmarks (setup, benchmark_spec, chain_spec, description, host_system_id, ts_start, created_at)
    SELECT CASE number % 2 WHEN 0 THEN jsonb_build_object('number', number) END,
           CASE number % 2 WHEN 1 THEN jsonb_build_object('number', number) END,
           CASE number % 2 WHEN 1 THEN '{\"name\": \"dev\"}'::jsonb END,
           CASE number % 2 WHEN 1 THEN 'run ' || number END,
           CASE number % 2 WHEN 1 THEN machine.id END,
           CASE number % 2 WHEN 1 THEN timestamptz '2026-01-01T00:00:00.5Z' END,
           timestamptz '2026-01-02Z'
    FROM machine, generate_series(1, $1::int) AS number";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_admin");
    Function::start("benchmarks", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_runs(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(RUNS, &[&count]).await.unwrap();
    database
}

fn run() -> Value {
    json!({
        "benchmark_spec": { "tps": 1000 },
        "chain_spec": ["dev", null],
        "description": "first",
        "host_system_id": 1,
        "ts_start": "2019-01-01T02:00:00+02:00",
        "ts_end": "2019-01-01T00:00:00.25",
    })
}

#[tokio::test]
async fn a_run_on_a_machine() {
    let function = start(&with_runs(0).await, &[]);
    let added = function.post("/benchmarks", &run()).await;
    assert_eq!(added.status, 201, "{}", added.text());
    let created_at = added.json()["created_at"].as_str().unwrap().to_owned();
    assert_eq!(
        added.text(),
        format!(
            r#"{{"id":1,"setup":null,"benchmark_spec":{{"tps": 1000}},"chain_spec":["dev", null],"description":"first","host_system_id":1,"ts_start":"2019-01-01T00:00:00","ts_end":"2019-01-01T00:00:00.250","created_at":"{created_at}"}}"#
        )
    );
    assert_eq!(function.get("/benchmarks").await.json(), json!([added.json()]));
    // It may not be over yet.
    let mut running = run();
    running.as_object_mut().unwrap().remove("ts_end");
    let added = function.post("/benchmarks/", &running).await;
    assert_eq!((added.status.as_u16(), &added.json()["ts_end"]), (201, &json!(null)));
    let mut moment = run();
    moment["ts_end"] = json!("2019-01-01T00:00:00Z");
    assert_eq!(function.post("/benchmarks", &moment).await.status, 201);
}

#[tokio::test]
async fn a_run_in_one_document() {
    let function = start(&Database::new(), &[]);
    for (number, setup) in (1..).zip([
        r#"{"b": 1, "a": [1.10, 12345678901234567890123456789.5]}"#,
        r#""text""#,
        "false",
        "0",
        "[]",
    ]) {
        let body: Box<serde_json::value::RawValue> =
            serde_json::from_str(&format!(r#"{{"setup":{setup}}}"#)).unwrap();
        let headers = [("content-type", "application/json")];
        let added = shared::testing::send(
            function.address(),
            "POST",
            "/benchmarks",
            &headers,
            body.get().to_owned(),
        )
        .await;
        assert_eq!(added.status, 201, "{setup}: {}", added.text());
        let row = added.json();
        assert_eq!(row["id"], number);
        // As PostgreSQL writes it: numbers as they came, members in an order of its own.
        let text = added.text();
        let stored = text.split_once("\"setup\":").unwrap().1.split_once(",\"benchmark_spec\"");
        let expected = setup.replace(r#""b": 1, "a": [1.10,"#, r#""a": [1.10,"#);
        let expected = expected.replace("5]}", r#"5], "b": 1}"#);
        assert_eq!(stored.unwrap().0, expected);
        for member in
            ["benchmark_spec", "chain_spec", "description", "host_system_id", "ts_start", "ts_end"]
        {
            assert_eq!(row[member], json!(null), "{member}");
        }
    }
}

#[tokio::test]
async fn an_empty_database_has_no_runs() {
    let answer = start(&Database::new(), &[]).get("/benchmarks").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "[]"));
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn every_run_is_on_one_page() {
    let database = with_runs(100).await;
    let function = start(&database, &[]);
    let whole = function.get("/benchmarks").await.rows();
    let ids: Vec<i64> = whole.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    assert_eq!(whole[0]["benchmark_spec"], json!({ "number": 1 }));
    assert_eq!(whole[1]["setup"], json!({ "number": 2 }));
    for (query, count) in [("limit=1", 101), ("limit=7", 15), ("limit=50", 3), ("limit=101", 1)] {
        let pages = function.pages(&format!("/benchmarks?{query}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "2_000")]);
    assert!(small.get("/benchmarks").await.body.len() <= 2000);
    let pages = small.pages("/benchmarks").await;
    assert_eq!(pages.concat(), whole);
    assert!((10..20).contains(&pages.len()), "{}", pages.len());
}

#[tokio::test]
async fn odd_runs_break_nothing() {
    let database = with_runs(1).await;
    let sql = "INSERT INTO benchmarks (setup) VALUES (NULL), ('null'), ('{\"a\": {}}'), ('[1e400]');
               INSERT INTO benchmarks (ts_start, ts_end) VALUES ('0001-01-01 BC', '9999-12-31 23:59:59.999999Z')";
    database.owner().await.batch_execute(sql).await.unwrap();
    let function = start(&database, &[]);
    for path in ["/benchmarks", "/benchmarks?limit=1"] {
        let answer = function.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let text = function.get("/benchmarks").await.text();
    assert_eq!(text.matches("\"id\":").count(), 6);
    assert!(text.contains(r#""setup":{"a": {}},"#), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("limit=0", "limit", "from 1 to 10000, got `0`"),
        ("limit=10001", "limit", "from 1 to 10000"),
        ("limit=x", "limit", "from 1 to 10000"),
        ("cursor=0", "cursor", "from 1 to 2147483647"),
        ("cursor=2147483648", "cursor", "from 1 to 2147483647"),
        ("limit=1&limit=1", "limit", "more than once"),
        ("id=1", "id", "unknown parameter"),
        ("cursor=%00", "cursor", "U+0000"),
    ] {
        let answer = function.get(&format!("/benchmarks?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_member_is_named() {
    let function = start(&with_runs(0).await, &[]);
    for (member, value, expected) in [
        ("description", json!(5), "expected a string"),
        ("host_system_id", json!("1"), "expected"),
        ("host_system_id", json!(-1), "expected"),
        ("host_system_id", json!(1.5), "expected"),
        ("host_system_id", json!(2_147_483_648_u32), "from 0 to 2147483647"),
        ("ts_start", json!("yesterday"), "2019-01-01T00:00:00"),
        ("ts_start", json!("2019-13-01T00:00:00"), "2019-01-01T00:00:00"),
        ("ts_start", json!("-5000-01-01T00:00:00"), "2019-01-01T00:00:00"),
        ("ts_start", json!(1_546_300_800), "expected a string"),
        ("ts_end", json!("+10000-01-01T00:00:00Z"), "2019-01-01T00:00:00"),
        ("ts_end", json!(""), "2019-01-01T00:00:00"),
        ("ts_end", json!("2018-12-31T23:59:59.999999"), "not before `ts_start`"),
        ("id", json!(1), "unknown"),
        ("created_at", json!("2019-01-01T00:00:00"), "unknown"),
        // The other form's member.
        ("setup", json!({}), "`setup`"),
    ] {
        let mut body = run();
        body[member] = value.clone();
        let answer = function.post("/benchmarks", &body).await;
        let named = if member == "setup" { "benchmark_spec" } else { member };
        answer.assert_problem(422, Some(named), expected);
    }
    for member in ["benchmark_spec", "chain_spec", "description", "host_system_id", "ts_start"] {
        for nothing in [None, Some(json!(null))] {
            let mut body = run();
            match nothing {
                Some(null) => body[member] = null,
                None => drop(body.as_object_mut().unwrap().remove(member)),
            }
            function.post("/benchmarks", &body).await.assert_problem(422, Some(member), "missing");
            // Beside the other form, it is one too many.
            let body = json!({ "setup": 1, (member): run()[member] });
            let answer = function.post("/benchmarks", &body).await;
            answer.assert_problem(422, Some(member), "no other member beside `setup`");
        }
    }
    let body = json!({ "setup": 1, "ts_end": run()["ts_end"] });
    let answer = function.post("/benchmarks", &body).await;
    answer.assert_problem(422, Some("ts_end"), "no other member beside `setup`");
    for nothing in [json!({}), json!({ "setup": null })] {
        let answer = function.post("/benchmarks", &nothing).await;
        answer.assert_problem(422, Some("benchmark_spec"), "missing");
    }
    assert_eq!(function.get("/benchmarks").await.text(), "[]", "nothing was stored");
}

#[tokio::test]
async fn text_that_postgresql_cannot_hold_is_refused() {
    let function = start(&with_runs(0).await, &[]);
    for member in ["benchmark_spec", "chain_spec", "description"] {
        let mut body = run();
        body[member] = json!("a\0b");
        function.post("/benchmarks", &body).await.assert_problem(422, None, "U+0000");
    }
    let body = json!({ "setup": { "deep": [{ "a\0": 1 }] } });
    function.post("/benchmarks", &body).await.assert_problem(422, None, "U+0000");
    assert_eq!(function.get("/benchmarks").await.text(), "[]");
}

#[tokio::test]
async fn the_machine_must_be_there() {
    let function = start(&with_runs(0).await, &[]);
    for machine in [0, 2, i32::MAX] {
        let mut body = run();
        body["host_system_id"] = json!(machine);
        let answer = function.post("/benchmarks", &body).await;
        answer.assert_problem(409, Some("host_system_id"), "nothing of this number");
    }
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new(), &[]);
    for path in ["/", "/benchmark", "/benchmarks/1", "/benchmarks/1/runs", "/benchmarks/1/events/2"]
    {
        function.get(path).await.assert_problem(404, None, "no such path");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/benchmarks", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, POST, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, POST, OPTIONS", "{method}");
    }
}
