//! What `GET /host_systems` and `POST /host_systems` answer.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use shared::testing::{Database, Function, request};

/// Machines 1 to `$1`.
const MACHINES: &str = "
    INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
    SELECT 'machine ' || number, 'linux', number, 2600, 2147483647, 'NVME'
    FROM generate_series(1, $1::int) AS number";

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_admin");
    Function::start("host-systems", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

async fn with_machines(count: i32) -> Database {
    let database = Database::new();
    database.owner().await.execute(MACHINES, &[&count]).await.unwrap();
    database
}

fn machine() -> Value {
    json!({
        "description": "\"A\", the\u{20ac}\n first",
        "os": "",
        "cpu_qty": 4,
        "cpu_clock": 0,
        "ram_mb": 2_147_483_647,
        "disk_info": "NVME",
    })
}

#[tokio::test]
async fn what_was_added_is_listed() {
    let function = start(&Database::new(), &[]);
    assert_eq!(function.get("/host_systems").await.text(), "[]");
    let added = function.post("/host_systems", &machine()).await;
    assert_eq!(
        (added.status.as_u16(), &added.headers["content-type"]),
        (201, &"application/json".parse().unwrap())
    );
    assert_eq!(
        added.text(),
        "{\"id\":1,\"description\":\"\\\"A\\\", the\u{20ac}\\n first\",\"os\":\"\",\"cpu_qty\":4,\"cpu_clock\":0,\"ram_mb\":2147483647,\"disk_info\":\"NVME\"}"
    );
    let again = function.post("/host_systems/", &machine()).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (201, &json!(2)));
    assert_eq!(function.get("/host_systems").await.json(), json!([added.json(), again.json()]));
}

#[tokio::test]
async fn every_machine_is_on_one_page() {
    let database = with_machines(100).await;
    // Numbers may have gaps.
    database.owner().await.execute("DELETE FROM host_systems WHERE id = 50", &[]).await.unwrap();
    let function = start(&database, &[]);
    let whole = function.get("/host_systems").await.rows();
    let ids: Vec<i64> = whole.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=100).filter(|id| *id != 50).collect::<Vec<_>>());
    for (query, count) in [("limit=1", 100), ("limit=7", 15), ("limit=99", 2), ("limit=100", 1)] {
        let pages = function.pages(&format!("/host_systems?{query}")).await;
        assert_eq!((pages.len(), pages.concat()), (count, whole.clone()), "{query}");
    }
    // A page that would grow too large ends early.
    let small = start(&database, &[("MAX_RESPONSE_BYTES", "1_000")]);
    assert!(small.get("/host_systems").await.body.len() <= 1000);
    let pages = small.pages("/host_systems").await;
    assert_eq!(pages.concat(), whole);
    assert!((10..20).contains(&pages.len()), "{}", pages.len());
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_named() {
    let function = start(&Database::new(), &[]);
    for (query, parameter, expected) in [
        ("limit=0", "limit", "from 1 to 10000, got `0`"),
        ("limit=10001", "limit", "from 1 to 10000"),
        ("limit=1.5", "limit", "from 1 to 10000"),
        ("limit=", "limit", "from 1 to 10000"),
        ("cursor=0", "cursor", "from 1 to 2147483647"),
        ("cursor=2147483648", "cursor", "from 1 to 2147483647"),
        ("cursor=a", "cursor", "from 1 to 2147483647"),
        ("limit=1&limit=1", "limit", "more than once"),
        ("id=1", "id", "unknown parameter"),
        ("os=%00", "os", "U+0000"),
    ] {
        let answer = function.get(&format!("/host_systems?{query}")).await;
        answer.assert_problem(400, Some(parameter), expected);
    }
    let answer = function.post("/host_systems?limit=1", &machine()).await;
    answer.assert_problem(400, Some("limit"), "unknown parameter");
    assert_eq!(function.get("/host_systems").await.text(), "[]");
}

#[tokio::test]
async fn what_is_wrong_with_a_member_is_named() {
    let function = start(&Database::new(), &[]);
    for (member, value, expected) in [
        ("description", json!(null), "expected a string"),
        ("description", json!(5), "expected a string"),
        ("os", json!(["linux"]), "expected a string"),
        ("disk_info", json!({}), "expected a string"),
        ("os", json!("a\0b"), "U+0000"),
        ("cpu_qty", json!("4"), "expected"),
        ("cpu_qty", json!(null), "expected"),
        ("cpu_qty", json!(-1), "expected"),
        ("cpu_clock", json!(2600.5), "expected"),
        ("ram_mb", json!(2_147_483_648_u32), "from 0 to 2147483647"),
        ("ram_mb", json!(u64::MAX), "from 0 to 2147483647"),
        ("ram_mb", json!(true), "expected"),
        ("id", json!(5), "unknown"),
        ("", json!(5), "unknown"),
    ] {
        let mut body = machine();
        body[member] = value.clone();
        let answer = function.post("/host_systems", &body).await;
        let name = (value != "a\0b").then_some(member);
        answer.assert_problem(422, name, expected);
    }
    for member in ["description", "os", "cpu_qty", "cpu_clock", "ram_mb", "disk_info"] {
        let mut body = machine();
        body.as_object_mut().unwrap().remove(member);
        let answer = function.post("/host_systems", &body).await;
        answer.assert_problem(422, Some(member), "missing");
    }
    assert_eq!(function.get("/host_systems").await.text(), "[]", "nothing was stored");
}

#[tokio::test]
async fn routes_and_methods() {
    let function = start(&Database::new(), &[]);
    for path in ["/", "/host_system", "/host_systems/1"] {
        function.get(path).await.assert_problem(404, None, "no such path");
        function.post(path, &machine()).await.assert_problem(404, None, "no such path");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = request(function.address(), method, "/host_systems", &[]).await;
        answer.assert_problem(405, None, "GET, HEAD, POST, OPTIONS");
        assert_eq!(answer.headers["allow"], "GET, HEAD, POST, OPTIONS", "{method}");
    }
}
