//! What happens to messages and queries while PostgreSQL has a bad day. Crashes are in
//! `exactly_once.rs` and `database.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use shared::{
    db::{self, SqlState},
    testing::{Database, Function, Node, Pipeline, Postgres, Redis, eventually},
};
use tokio::time::sleep;

const MESSAGES: i64 = 2_000;

/// Sends so many messages, each with a key of its own.
async fn send(node: &mut Node, keys: std::ops::Range<i64>) {
    for key in keys {
        node.send(format!(r#"{{"msg":"a","key":{key}}}"#)).await;
    }
}

/// Waits until a transaction of batch-flush failed, and its log says why.
async fn failed(pipeline: &Pipeline, reason: &str) {
    eventually(reason, || async {
        let log = pipeline.flush.log();
        let mut failures = log.lines().filter(|line| line.contains("nothing was stored"));
        failures.any(|line| line.contains(reason)).then_some(())
    })
    .await;
}

/// Asserts that all messages are stored, each once.
async fn assert_stored(pipeline: &Pipeline, messages: i64, fault: &str, over: Instant) {
    assert_eq!(pipeline.settle(messages).await, messages);
    eprintln!("{fault}: {messages} sent and stored, {:?} after its end", over.elapsed());
    let sql = "SELECT count(DISTINCT logs->>'key') FROM tetcore_logs";
    let owner = pipeline.database.owner().await;
    assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), messages);
}

fn query(name: &str, role: &str, database: &Database, read: Option<&Database>) -> Function {
    let (url, read) = (database.url(role), read.map(|read| read.url(role)));
    let read = read.iter().map(|url| ("DATABASE_READ_URL", url.as_str()));
    Function::start(
        name,
        &[("DATABASE_URL", url.as_str())].into_iter().chain(read).collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn a_failover_to_a_standby_loses_nothing() {
    let mut primary = Postgres::start();
    let database = primary.database();
    let standby = primary.standby();
    let replica = database.on(&standby);
    let pipeline = Pipeline::start_on(database.or_on(&standby), Redis::shared(), &[]);
    let queries = query("query-nodes", "tetcore_query", &pipeline.database, Some(&replica));
    let writes = query("host-systems", "tetcore_admin", &pipeline.database, None);
    let machine = json!({ "description": "", "os": "", "cpu_qty": 1, "cpu_clock": 1, "ram_mb": 1, "disk_info": "" });
    assert_eq!(writes.post("/host_systems", &machine).await.status, 201);
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"system.connected","network_id":"peer","key":-1}"#).await;
    send(&mut node, 0..MESSAGES).await;
    // In the midst of it.
    eventually("messages are stored", || async {
        (pipeline.flush.metric("database_stored_messages").await > 1).then_some(())
    })
    .await;
    primary.crash();
    let crash = Instant::now();
    send(&mut node, MESSAGES..2 * MESSAGES).await;
    // Whoever reads from the standby notices nothing; who writes is told to come again.
    assert_eq!(queries.get("/nodes").await.rows().len(), 1);
    assert_eq!(queries.get("/readyz").await.status, 200);
    writes.post("/host_systems", &machine).await.assert_problem(503, None, "try again");
    failed(&pipeline, "").await;
    standby.promote();
    eprintln!("failover: promoted {:?} after the crash", crash.elapsed());
    let over = Instant::now();
    send(&mut node, 2 * MESSAGES..3 * MESSAGES).await;
    assert_stored(&pipeline, 3 * MESSAGES + 1, "failover", over).await;
    eventually("what is written is taken again", || async {
        (writes.post("/host_systems", &machine).await.status == 201).then_some(())
    })
    .await;
    assert_eq!(queries.get("/nodes").await.rows().len(), 1);
}

/// As an old primary that became a standby is, whose connections nobody cut.
#[tokio::test]
async fn a_connection_to_a_server_that_only_reads_is_given_up() {
    let database = Database::new();
    let owner = database.owner().await;
    let name: String =
        owner.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let only_reads = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    owner.batch_execute(&only_reads).await.unwrap();
    let pipeline = Pipeline::start_on(database, Redis::shared(), &[]);
    let writes = query("host-systems", "tetcore_admin", &pipeline.database, None);
    let machine = json!({ "description": "", "os": "", "cpu_qty": 1, "cpu_clock": 1, "ram_mb": 1, "disk_info": "" });
    writes.post("/host_systems", &machine).await.assert_problem(503, None, "try again");
    send(&mut pipeline.node("/").await, 0..10).await;
    failed(&pipeline, "read-only transaction").await;
    let writes_again = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    owner.batch_execute(&writes_again).await.unwrap();
    let over = Instant::now();
    assert_stored(&pipeline, 10, "a server that only reads", over).await;
    assert_eq!(writes.post("/host_systems", &machine).await.status, 201);
}

#[tokio::test]
#[ignore = "takes more than two minutes"]
async fn a_server_that_hangs_is_left() {
    let postgres = Postgres::start();
    let pipeline = Pipeline::start_on(postgres.database(), Redis::shared(), &[]);
    let mut node = pipeline.node("/").await;
    send(&mut node, 0..10).await;
    assert_eq!(pipeline.settle(10).await, 10);
    postgres.freeze();
    send(&mut node, 10..MESSAGES).await;
    // Minutes for a transaction, some seconds for each connection.
    for reason in ["PostgreSQL does not answer", "connecting to PostgreSQL"] {
        let begin = Instant::now();
        while !pipeline.flush.log().contains(reason) {
            assert!(begin.elapsed() < Duration::from_mins(3), "{}", pipeline.flush.log());
            sleep(Duration::from_millis(100)).await;
        }
        eprintln!("a server that hangs: `{reason}` after {:?}", begin.elapsed());
    }
    postgres.thaw();
    let over = Instant::now();
    assert_stored(&pipeline, MESSAGES, "a server that hangs", over).await;
}

#[tokio::test]
async fn who_finds_no_free_connection_waits_for_one() {
    let postgres = Postgres::start();
    let mut pipeline = Pipeline::start_on(postgres.database(), Redis::shared(), &[]);
    let mut node = pipeline.node("/").await;
    send(&mut node, 0..10).await;
    pipeline.settle(10).await;
    let mut all = Vec::new();
    let url: db::Url = pipeline.database.url("tetcore_query").parse().unwrap();
    let refused = loop {
        match db::connect(&url, "testing", "").await {
            Ok(connection) => all.push(connection),
            Err(error) => break error,
        }
    };
    let refused = refused.downcast_ref::<db::Error>().unwrap().code().cloned();
    assert_eq!(refused, Some(SqlState::TOO_MANY_CONNECTIONS));
    // It starts without a connection.
    pipeline.flush.kill();
    while let Ok(connection) = db::connect(&url, "testing", "").await {
        all.push(connection);
    }
    pipeline.flush = pipeline.another_flush();
    let queries = query("query-nodes", "tetcore_query", &pipeline.database, None);
    send(&mut node, 10..MESSAGES).await;
    queries.get("/nodes").await.assert_problem(503, None, "try again");
    failed(&pipeline, "connection slots are reserved").await;
    drop(all);
    let over = Instant::now();
    assert_stored(&pipeline, MESSAGES, "too many connections", over).await;
    assert_eq!(queries.get("/nodes").await.status, 200);
}

#[tokio::test]
async fn messages_wait_while_the_disk_is_full() {
    // Not everyone may mount a small disk.
    let mount = ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    if !Command::new("unshare").args(mount).output().is_ok_and(|mount| mount.status.success()) {
        return messages_wait_while_postgresql_says_that_its_disk_is_full().await;
    }
    let postgres = Postgres::with_small_disk(16);
    let database = postgres.database();
    let owner = database.owner().await;
    owner.batch_execute("CREATE TABLESPACE small LOCATION '/mnt'").await.unwrap();
    let fill = "
        DO $$ DECLARE part regclass; BEGIN
            FOR part IN SELECT partition FROM log_partitions() LOOP
                EXECUTE format('ALTER TABLE %s SET TABLESPACE small', part);
            END LOOP;
        END $$;
        CREATE TABLE filler (text text) TABLESPACE small";
    owner.batch_execute(fill).await.unwrap();
    let more = "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 8)";
    let refusal = loop {
        if let Err(error) = owner.batch_execute(more).await {
            break error;
        }
    };
    assert_eq!(refusal.code(), Some(&SqlState::DISK_FULL));
    let pipeline = Pipeline::start_on(database, Redis::shared(), &[]);
    let mut node = pipeline.node("/").await;
    send(&mut node, 0..MESSAGES).await;
    failed(&pipeline, "No space left on device").await;
    owner.batch_execute("DROP TABLE filler").await.unwrap();
    // None of them was taken for one that PostgreSQL refuses.
    assert_stored(&pipeline, MESSAGES, "a full disk", Instant::now()).await;
}

/// As on a full disk, with PostgreSQL's own answer.
async fn messages_wait_while_postgresql_says_that_its_disk_is_full() {
    let pipeline = Pipeline::start();
    let owner = pipeline.database.owner().await;
    let full = "
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON log_rows EXECUTE FUNCTION refuse()";
    owner.batch_execute(full).await.unwrap();
    let mut node = pipeline.node("/").await;
    send(&mut node, 0..MESSAGES).await;
    failed(&pipeline, "No space left on device").await;
    owner.batch_execute("DROP TRIGGER full_disk ON log_rows").await.unwrap();
    // None of them was taken for one that PostgreSQL refuses.
    assert_stored(&pipeline, MESSAGES, "a full disk", Instant::now()).await;
}

/// Each commit waits for a tenth of a second, as for a disk that is that slow.
#[tokio::test]
async fn on_a_slow_disk_transactions_become_larger() {
    let postgres = Postgres::durable();
    let pipeline =
        Pipeline::start_on(postgres.database(), Redis::shared(), &[("FLUSH_WORKERS", "1")]);
    let owner = pipeline.database.owner().await;
    for setting in [
        "ALTER SYSTEM SET commit_delay = 100000",
        "ALTER SYSTEM SET commit_siblings = 0",
        "SELECT pg_reload_conf()",
    ] {
        owner.batch_execute(setting).await.unwrap();
    }
    let mut node = pipeline.node("/").await;
    // At a pace at which there is an envelope every 25 ms.
    for first in (0..MESSAGES).step_by(20) {
        send(&mut node, first..first + 20).await;
        sleep(Duration::from_millis(10)).await;
    }
    assert_stored(&pipeline, MESSAGES, "a slow disk", Instant::now()).await;
    let envelopes = "SELECT count(*) FROM ingest_batches";
    let envelopes: i64 = owner.query_one(envelopes, &[]).await.unwrap().get(0);
    let transactions = pipeline.flush.metric("flush_transactions_total").await;
    assert!(transactions * 2 < envelopes, "{envelopes} envelopes, {transactions} transactions");
}

#[tokio::test]
async fn messages_wait_behind_a_lock_for_as_long_as_it_is_held() {
    let pipeline = Pipeline::start();
    let mut holder = pipeline.database.owner().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE log_rows IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut node = pipeline.node("/").await;
    send(&mut node, 0..MESSAGES / 2).await;
    failed(&pipeline, "canceling statement due to lock timeout").await;
    // Nodes do not notice. The first one was silent for too long meanwhile.
    let mut node = pipeline.node("/").await;
    send(&mut node, MESSAGES / 2..MESSAGES).await;
    eventually("all are queued", || async {
        (pipeline.ingest.metric("ingest_queued_messages_total").await == MESSAGES).then_some(())
    })
    .await;
    lock.commit().await.unwrap();
    assert_stored(&pipeline, MESSAGES, "a lock", Instant::now()).await;
}
