//! Users, passwords, and how one set of them follows another.
#![expect(clippy::unwrap_used, reason = "tests")]

use shared::testing::{Database, Function, Node, Pipeline, Postgres, Redis, eventually};

/// With everything that a URL gives a meaning to; and how a URL holds it.
const PASSWORD: &str = "p@ss:w/rd%?#&+=";
const IN_URL: &str = "p%40ss%3Aw%2Frd%25%3F%23%26%2B%3D";

/// How the README makes the user of Redis.
fn user() -> Vec<&'static str> {
    let mut lines = include_str!("../../README.md").lines();
    lines.find(|line| line.starts_with("ACL SETUSER ")).unwrap().split(' ').collect()
}

/// The URL with a user, in place of the one that it may hold.
fn as_user(url: &str, user: &str, password: &str) -> String {
    let (scheme, address) = url.split_once("://").unwrap();
    let address = address.split_once('@').map_or(address, |(_, address)| address);
    format!("{scheme}://{user}:{password}@{address}")
}

/// Makes a user who may do what the README says, or adds a password.
fn set_user(redis: &Redis, password: &str) {
    let password = format!(">{password}");
    let words: Vec<&str> =
        user().into_iter().map(|word| if word == ">secret" { &password } else { word }).collect();
    let () = redis.command(&words);
}

/// Lets roles in with their passwords only.
fn ask_for_passwords(postgres: &Postgres, roles: &str) {
    postgres.admit(&format!("host all {roles} 127.0.0.1/32 scram-sha-256"));
}

/// The next answer of live-feed's.
async fn answer(client: &mut Node) -> String {
    loop {
        let frame = client.receive().await.unwrap();
        if frame.opcode == 1 {
            return String::from_utf8(frame.payload).unwrap();
        }
    }
}

async fn assert_refused(name: &str, settings: &[(&str, &str)], reason: &str) {
    let function = Function::start(name, settings);
    eventually(reason, || std::future::ready(function.log().contains(reason).then_some(()))).await;
    assert_eq!(function.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn users_with_just_their_rights_suffice() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let database = postgres.database();
    for role in ["tetcore_flush", "tetcore_query"] {
        postgres.execute(&format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'"));
    }
    ask_for_passwords(&postgres, "tetcore_flush,tetcore_query");
    set_user(&redis, PASSWORD);
    let redis_url = as_user(&redis.url(), "tetcore", IN_URL);
    let flush_url = as_user(&database.url("tetcore_flush"), "tetcore_flush", IN_URL);
    let query_url = as_user(&database.url("tetcore_query"), "tetcore_query", IN_URL);
    let prefix = ("QUEUE_PREFIX", "tetcore");

    let settings = [("REDIS_URL", redis_url.as_str()), ("DATABASE_URL", &flush_url), prefix];
    let pipeline = Pipeline::start_on(database, &redis, &settings);
    let settings = [("REDIS_URL", redis_url.as_str()), ("DATABASE_URL", &query_url), prefix];
    let feed = Function::start("live-feed", &settings);
    let mut client = Node::connect(feed.address(), "/feed").await;
    client.send_text(r#"{"peer_id":"*","msg":"*","interest":"subscribe"}"#).await;
    let first = answer(&mut client).await;
    assert!(first.contains(r#""data":[]"#), "{first}");
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"system.connected","network_id":"peer"}"#).await;
    assert_eq!(pipeline.settle(1).await, 1);
    let told = answer(&mut client).await;
    assert!(told.contains("system.connected"), "{told}");
    let denied: Vec<redis::Value> = redis.command(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{denied:?}");

    let wrong = as_user(&redis.url(), "tetcore", "wrong");
    assert_refused("ws-ingest", &[("REDIS_URL", &wrong)], "Password authentication failed").await;
    let wrong = as_user(&query_url, "tetcore_query", "wrong");
    let reason = "password authentication failed for user";
    let function = Function::start("query-nodes", &[("DATABASE_URL", &wrong)]);
    assert_eq!(function.get("/nodes").await.status, 503);
    eventually(reason, || std::future::ready(function.log().contains(reason).then_some(()))).await;
}

/// ws-ingest and batch-flush with one set of secrets.
struct Pair {
    ingest: Function,
    flush: Function,
    node: Node,
}

impl Pair {
    async fn start(redis_url: &str, database_url: &str) -> Self {
        let settings =
            [("REDIS_URL", redis_url), ("DATABASE_URL", database_url), ("QUEUE_PREFIX", "tetcore")];
        let ingest = Function::start("ws-ingest", &settings);
        let flush = Function::start("batch-flush", &settings);
        for function in [&ingest, &flush] {
            eventually("the function is ready", || async {
                (function.get("/readyz").await.status == 200).then_some(())
            })
            .await;
        }
        let node = Node::connect(ingest.address(), "/").await;
        Self { ingest, flush, node }
    }

    async fn send(&mut self, keys: std::ops::Range<i64>) {
        for key in keys {
            self.node.send(format!(r#"{{"msg":"a","key":{key}}}"#)).await;
        }
    }
}

async fn all_stored(database: &Database, messages: i64) {
    let owner = database.owner().await;
    let sql = "SELECT count(*), count(DISTINCT logs->>'key') FROM tetcore_logs";
    eventually("all messages are stored, each once", || async {
        let row = owner.query_one(sql, &[]).await.unwrap();
        ((row.get(0), row.get(1)) == (messages, messages)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn secrets_are_replaced_by_a_rolling_restart() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let database = postgres.database();
    // A role has one password, so two roles take turns; Redis' user may have both.
    for role in ["flush_a", "flush_b"] {
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}' IN ROLE tetcore_flush");
        postgres.execute(&sql);
    }
    ask_for_passwords(&postgres, "flush_a,flush_b");
    let database_url = |role: &str| as_user(&database.url(role), role, role);
    let redis_url = |password: &str| as_user(&redis.url(), "tetcore", password);

    set_user(&redis, "old");
    let mut old = Pair::start(&redis_url("old"), &database_url("flush_a")).await;
    old.send(0..100).await;
    set_user(&redis, "new");
    let mut new = Pair::start(&redis_url("new"), &database_url("flush_b")).await;
    // Both are valid meanwhile.
    old.send(100..200).await;
    new.send(200..300).await;
    all_stored(&database, 300).await;
    assert!(old.ingest.stop().await.success());
    assert!(old.flush.stop().await.success());
    let () = redis.command(&["ACL", "SETUSER", "tetcore", "<old"]);
    postgres.execute("ALTER ROLE flush_a NOLOGIN");
    redis.cut_connections();
    new.send(300..400).await;
    all_stored(&database, 400).await;

    let settings = [("REDIS_URL", &redis_url("old")), ("DATABASE_URL", &database_url("flush_a"))];
    let settings = settings.map(|(name, url)| (name, url.as_str()));
    assert_refused("ws-ingest", &settings, "Password authentication failed").await;
    let redis_url = redis_url("new");
    let settings = [("REDIS_URL", redis_url.as_str()), settings[1]];
    assert_refused("batch-flush", &settings, "is not permitted to log in").await;
}
