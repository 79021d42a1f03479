//! JSON functions and their database: as many questions at once as may be, one that takes too
//! long, a replica, and a server that crashes under load.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use shared::testing::{Answer, Database, Function, Postgres, eventually, get};
use tokio::task::JoinHandle;

/// A node of this peer id.
const NODE: &str = "
    WITH connection AS (
        INSERT INTO peer_connections (id, ip_addr, peer_id, created_at, audit, node_id, last_seen)
        VALUES (1, '192.0.2.1', $1, now(), false, node_id($1), now())
        RETURNING id, peer_id, created_at
    )
    INSERT INTO nodes (id, peer_id, peer_connection_id, connected_at, last_seen)
    SELECT node_id(peer_id), peer_id, id, created_at, created_at FROM connection";

/// The questions of a function's that wait for a lock. To be asked outside of a transaction, which
/// would see the first answer again and again.
const WAITING: &str = "
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'query-nodes' AND wait_event_type = 'Lock'";

async fn with_node(peer: &str) -> Database {
    let database = Database::new();
    database.owner().await.execute(NODE, &[&peer]).await.unwrap();
    database
}

fn start(database: &Database, settings: &[(&str, &str)]) -> Function {
    let url = database.url("tetcore_query");
    Function::start("query-nodes", &[&[("DATABASE_URL", url.as_str())], settings].concat())
}

/// Asks for the nodes, in a task of its own.
fn ask(function: &Function) -> JoinHandle<Answer> {
    let address = function.address().to_owned();
    tokio::spawn(async move { get(&address, "/nodes", &[]).await })
}

#[tokio::test]
async fn more_requests_than_may_be_at_once_are_turned_away() {
    let database = with_node("peer").await;
    let (owner, watcher) = (database.owner().await, database.owner().await);
    let function = start(&database, &[("MAX_CONCURRENT_REQUESTS", "3"), ("DB_POOL_SIZE", "8")]);
    owner.batch_execute("BEGIN; LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let under_way: Vec<_> = (0..3).map(|_| ask(&function)).collect();
    eventually("three questions wait", || async {
        (watcher.query(WAITING, &[]).await.unwrap().len() == 3).then_some(())
    })
    .await;
    for path in ["/nodes", "/nodes?limit=0"] {
        let answer = function.get(path).await;
        answer.assert_problem(503, None, "too many requests are under way");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(function.get(path).await.status, 200, "{path}");
    }
    owner.batch_execute("COMMIT").await.unwrap();
    for asked in under_way {
        assert_eq!(asked.await.unwrap().rows().len(), 1);
    }
    for _ in 0..10 {
        assert_eq!(function.get("/nodes").await.status, 200, "there is room again");
    }
}

/// What the server does after the statement time-out, too, only sooner.
#[tokio::test]
async fn a_question_that_the_server_gives_up_may_be_asked_again() {
    let database = with_node("peer").await;
    let (owner, watcher) = (database.owner().await, database.owner().await);
    let function = start(&database, &[("DB_POOL_SIZE", "1")]);
    assert_eq!(function.get("/nodes").await.status, 200);
    owner.batch_execute("BEGIN; LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for end in ["pg_cancel_backend", "pg_terminate_backend"] {
        let asked = ask(&function);
        let pid: i32 = eventually("the question waits", || async {
            watcher.query_opt(WAITING, &[]).await.unwrap().map(|row| row.get("pid"))
        })
        .await;
        watcher.execute(&format!("SELECT {end}($1)"), &[&pid]).await.unwrap();
        let answer = asked.await.unwrap();
        answer.assert_problem(503, None, "try again");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.text().contains("canceling"), "internals stay inside: {}", answer.text());
    }
    owner.batch_execute("COMMIT").await.unwrap();
    eventually("the question is answered", || async {
        (function.get("/nodes").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_read_comes_from_the_replica() {
    let (primary, replica) = (with_node("primary").await, with_node("replica").await);
    let read_url = replica.url("tetcore_query");
    let function = start(&primary, &[("DATABASE_READ_URL", &read_url)]);
    assert_eq!(function.get("/nodes").await.json()[0]["peer_id"], "replica");
    let function = start(&primary, &[]);
    assert_eq!(function.get("/nodes").await.json()[0]["peer_id"], "primary");
    // Not one connection is opened to the other.
    let unreachable = "postgres://tetcore_query@127.0.0.1:1/none";
    let settings = [("DATABASE_URL", unreachable), ("DATABASE_READ_URL", &read_url)];
    let function = Function::start("query-nodes", &settings);
    assert_eq!(function.get("/nodes").await.json()[0]["peer_id"], "replica");
    assert_eq!(function.get("/readyz").await.status, 200);
    let function = start(&primary, &[("DATABASE_READ_URL", unreachable)]);
    function.get("/nodes").await.assert_problem(503, None, "try again");
    assert_eq!(function.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn what_is_written_goes_to_the_primary() {
    let (primary, replica) = (Database::new(), Database::new());
    let (url, read_url) = (primary.url("tetcore_admin"), replica.url("tetcore_admin"));
    let settings = [("DATABASE_URL", url.as_str()), ("DATABASE_READ_URL", &read_url)];
    let function = Function::start("host-systems", &settings);
    let machine = |name: &str| json!({ "description": name, "os": "", "cpu_qty": 1, "cpu_clock": 1, "ram_mb": 1, "disk_info": "" });
    let added = function.post("/host_systems", &machine("new")).await;
    assert_eq!((added.status.as_u16(), &added.json()["id"]), (201, &json!(1)));
    assert_eq!(function.get("/host_systems").await.rows(), Vec::<Value>::new());
    let machines = "SELECT description FROM host_systems";
    let [row] = &primary.owner().await.query(machines, &[]).await.unwrap()[..] else {
        panic!("one machine");
    };
    assert_eq!(row.get::<_, &str>(0), "new");

    // Reading goes on while nothing can be written.
    let settings = [
        ("DATABASE_URL", "postgres://tetcore_admin@127.0.0.1:1/none"),
        ("DATABASE_READ_URL", &read_url),
    ];
    let function = Function::start("host-systems", &settings);
    assert_eq!(function.get("/host_systems").await.status, 200);
    let answer = function.post("/host_systems", &machine("lost")).await;
    answer.assert_problem(503, None, "try again");
}

/// What clients were answered.
#[derive(Default)]
struct Tally {
    /// How many answers of each status.
    answers: BTreeMap<u16, u64>,
    /// How many good ones there were since the last other.
    good_in_a_row: u64,
}

const CLIENTS: u32 = 4;
/// Of all clients together.
const REQUESTS_PER_SECOND: u32 = 200;

/// Asks at an even pace, however long an answer takes, for ever.
async fn ask_steadily(address: String, tally: Arc<Mutex<Tally>>) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) * CLIENTS / REQUESTS_PER_SECOND);
    loop {
        pace.tick().await;
        let status = get(&address, "/nodes", &[]).await.status.as_u16();
        let mut tally = tally.lock().unwrap();
        *tally.answers.entry(status).or_default() += 1;
        tally.good_in_a_row = if status == 200 { tally.good_in_a_row + 1 } else { 0 };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_under_load_is_answered_with_503_until_the_server_is_back() {
    let mut postgres = Postgres::start();
    let database = postgres.database();
    database.owner().await.execute(NODE, &[&"peer"]).await.unwrap();
    let function = start(&database, &[]);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(ask_steadily(function.address().to_owned(), Arc::clone(&tally))))
        .collect();
    let reached = |what, reached: fn(&Tally) -> bool| {
        let tally = &tally;
        eventually(what, move || std::future::ready(reached(&tally.lock().unwrap()).then_some(())))
    };
    let unavailable = |tally: &Tally| tally.answers.get(&503).copied().unwrap_or_default();
    reached("all is good", |tally| tally.good_in_a_row >= 100).await;
    for _ in 0..2 {
        let before = unavailable(&tally.lock().unwrap());
        postgres.crash();
        eventually("the crash is noticed", || {
            let noticed = unavailable(&tally.lock().unwrap()) >= before + 100;
            std::future::ready(noticed.then_some(()))
        })
        .await;
        postgres.resume();
        reached("all is good again", |tally| tally.good_in_a_row >= 400).await;
    }
    assert!(clients.iter().all(|client| !client.is_finished()), "each request had an answer");
    let statuses: Vec<u16> = tally.lock().unwrap().answers.keys().copied().collect();
    assert_eq!(statuses, [200, 503]);
    for client in clients {
        client.abort();
    }
}
