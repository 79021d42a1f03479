//! How batch-flush starts, waits and ends; what it stores is asserted in `shared/tests`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use shared::testing::{
    Database, Function, Node, Pipeline, Postgres, Redis, eventually, request, unique,
};

/// A queue of the test's own, and where it is flushed to.
struct Scene {
    settings: Vec<(&'static str, String)>,
}

impl Scene {
    fn new(database: &Database, further: &[(&'static str, &str)]) -> Self {
        let mut settings = vec![
            ("REDIS_URL", Redis::shared().url()),
            ("QUEUE_PREFIX", unique("test")),
            ("DATABASE_URL", database.url("tetcore_flush")),
        ];
        settings.extend(further.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self { settings }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn start(&self) -> Function {
        Function::start("batch-flush", &self.settings())
    }

    /// Puts so many messages of so many nodes into the queue.
    async fn fill(&self, nodes: usize, messages: usize) {
        let ingest = Function::start("ws-ingest", &self.settings());
        eventually("ws-ingest is ready", || async {
            (ingest.get("/readyz").await.status == 200).then_some(())
        })
        .await;
        for number in 0..nodes {
            let mut node = Node::connect(ingest.address(), "/").await;
            let connected = r#"{"msg":"system.connected","network_id":"peer"#;
            node.send(format!("{connected}{number}\"}}")).await;
            for _ in 1..messages {
                node.send(r#"{"msg":"a"}"#).await;
            }
            node.frame(true, 8, b"").await;
            assert_eq!(node.close_code().await, Some(1000));
        }
        assert_eq!(ingest.stop().await.code(), Some(0));
    }
}

async fn stored(database: &Database) -> i64 {
    let sql = "SELECT count(*) FROM tetcore_logs";
    database.owner().await.query_one(sql, &[]).await.unwrap().get(0)
}

async fn all_stored(database: &Database, messages: i64) {
    eventually("all messages are stored", || async {
        (stored(database).await == messages).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_shard_is_drained_by_whoever_is_there() {
    let database = Database::new();
    let scene = Scene::new(&database, &[("QUEUE_SHARDS", "3"), ("DB_BATCH_SIZE", "10")]);
    scene.fill(30, 50).await;
    let flushers = [scene.start(), scene.start()];
    all_stored(&database, 1500).await;
    for flush in flushers {
        eventually("its gauges agree", || async {
            let done = flush.metric("database_stored_messages").await == 1500
                && flush.metric("queue_messages").await == 0
                && flush.metric("queue_bytes").await == 0;
            done.then_some(())
        })
        .await;
        assert_eq!(flush.stop().await.code(), Some(0));
    }
    let keys: Vec<String> =
        Redis::shared().command(&["KEYS", &format!("{{{}:*", scene.settings[1].1)]);
    assert!(
        keys.iter().all(|key| key.ends_with(":size") || key.ends_with(":doorbell")),
        "nothing else is left in Redis: {keys:?}"
    );
}

#[tokio::test]
async fn a_batch_of_nothing_but_rejects_is_acknowledged_at_once() {
    let pipeline = Pipeline::start();
    pipeline.node("/").await.send("no json").await;
    let sql = "SELECT count(*) FROM ingest_rejects";
    let owner = pipeline.database.owner().await;
    eventually("the reject is kept", || async {
        (owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    pipeline.settle(1).await;
    assert!(!pipeline.flush.log().contains("WARN"), "{}", pipeline.flush.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_database_and_gives_back_what_it_holds() {
    let mut postgres = Postgres::start();
    let database = postgres.database();
    let scene = Scene::new(&database, &[]);
    scene.fill(1, 10).await;
    postgres.crash();

    let flush = scene.start();
    assert_eq!(flush.get("/healthz").await.status, 200);
    assert_eq!(flush.get("/readyz").await.status, 503);
    eventually("it has tried", || async {
        (flush.metric("flush_transactions_total").await > 0).then_some(())
    })
    .await;
    assert_eq!(flush.metric("queue_messages").await, 10, "claimed, but not stored");
    assert_eq!(flush.stop().await.code(), Some(0));

    // No claim has to expire first.
    postgres.resume();
    Function::run("batch-flush", &scene.settings(), &["--once"]);
    assert_eq!(stored(&database).await, 10);

    // One that is running goes on by itself.
    let flush = scene.start();
    postgres.crash();
    scene.fill(1, 10).await;
    postgres.resume();
    all_stored(&database, 20).await;
    eventually("it is ready", || async {
        (flush.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_every_function_answers() {
    let database = Database::new();
    let flush = Scene::new(&database, &[]).start();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(flush.get(path).await.status, 200, "{path}");
    }
    assert_eq!(flush.get("/").await.status, 404);
    assert_eq!(request(flush.address(), "POST", "/metrics", &[]).await.status, 405);
    // It makes partitions ahead, so that a purge that never runs does no harm.
    let sql = "SELECT count(*) FROM log_partitions() WHERE upper_bound > now() + interval '7 days'";
    let owner = database.owner().await;
    eventually("partitions are ahead", || async {
        (owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) >= 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    for (name, value) in [
        ("REDIS_URL", ""),
        ("REDIS_URL", "host"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "postgres://me:s3cret@host:port/db"),
        ("QUEUE_SHARDS", "0"),
        ("FLUSH_WORKERS", "0"),
        ("FLUSH_WORKERS", "two"),
        ("LOG_EXPIRY_H", "1h"),
    ] {
        let mut settings = BTreeMap::from([
            ("REDIS_URL", "redis://127.0.0.1:1"),
            ("DATABASE_URL", "postgres://me@127.0.0.1:1/db"),
        ]);
        settings.insert(name, value);
        let said = Function::refusal("batch-flush", &settings.into_iter().collect::<Vec<_>>());
        assert!(said.contains(name) && !said.contains("s3cret"), "{name}={value}: {said}");
    }
}
