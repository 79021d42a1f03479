//! What ws-ingest does when more comes in than goes out, and when it must stop.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use shared::testing::{Database, Function, Node, Pipeline, Redis, Rng, eventually, masked, metric};
use tokio::{task::JoinHandle, time::sleep};

/// A buffer that is soon full, and little patience.
const SMALL: [(&str, &str); 3] = [
    ("INGEST_BUFFER_BYTES", "1_048_576"),
    ("WS_MAX_PAYLOAD", "65_536"),
    ("BACKPRESSURE_MAX_MS", "300"),
];
/// More than any socket and the buffer hold.
const FLOOD: usize = 64 << 20;
/// What the process may grow by while it is flooded.
const GROWTH: u64 = 24 << 20;

/// Messages of 1 KiB each, one frame a message; compressed, they need nearly as much.
fn messages(count: usize) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    // More than lz4 looks back.
    static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let mut rng = Rng::new(1, 0);
        let mut message = || format!(r#"{{"msg":"a","x":"{}"}}"#, rng.text(LETTERS, 1000));
        (0..256).map(|_| masked(true, 2, message().as_bytes())).collect()
    });
    MESSAGES.iter().cycle().take(count).flatten().copied().collect()
}

async fn dropped(ingest: &Function, reason: &str) -> i64 {
    let text = ingest.get("/metrics").await.text();
    metric(&text, &format!("ingest_dropped_messages_total{{reason=\"{reason}\"}}"))
}

async fn received(ingest: &Function, messages: i64) {
    eventually("all messages are read", || async {
        (ingest.metric("ingest_received_messages_total").await == messages).then_some(())
    })
    .await;
}

/// Floods `pipeline`, out of which nothing goes meanwhile: everything is read, what does not fit
/// is dropped and counted, and memory stays bounded. Returns how many messages were sent.
async fn flood(pipeline: &Pipeline, sent_before: i64) -> i64 {
    let resident = pipeline.ingest.resident_bytes();
    let count = FLOOD / 1024;
    let mut node = pipeline.node("/").await;
    for _ in 0..64 {
        node.raw(&messages(count / 64)).await;
    }
    let sent = sent_before + i64::try_from(count).unwrap();
    received(&pipeline.ingest, sent).await;
    assert!(dropped(&pipeline.ingest, "buffer_full").await > 0);
    assert!(pipeline.ingest.metric("ingest_in_flight_bytes").await <= 1 << 20);
    let growth = pipeline.ingest.resident_bytes().saturating_sub(resident);
    assert!(growth < GROWTH, "it grew by {growth} bytes");
    assert_eq!(pipeline.ingest.get("/readyz").await.status, 503);
    sent
}

/// New messages are stored after a flood, and nothing is unaccounted for.
async fn recovered(pipeline: &Pipeline, sent: i64) {
    eventually("the buffer empties", || async {
        (pipeline.ingest.metric("ingest_in_flight_messages").await == 0).then_some(())
    })
    .await;
    assert_eq!(pipeline.ingest.get("/readyz").await.status, 200);
    let mut node = pipeline.node("/").await;
    for _ in 0..10 {
        node.send(r#"{"msg":"after"}"#).await;
    }
    let stored = pipeline.settle(sent + 10).await;
    let dropped = pipeline.ingest.metric("ingest_dropped_messages_total").await;
    assert_eq!(stored, sent + 10 - dropped, "what was not dropped is stored");
    let sql = "SELECT count(*) FROM tetcore_logs WHERE msg = 'after'";
    let after: i64 = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(after, 10);
}

#[tokio::test]
async fn without_redis_reading_goes_on_in_bounded_memory() {
    let mut redis = Redis::start();
    let pipeline = Pipeline::start_on(Database::new(), &redis, &SMALL);
    pipeline.node("/").await.send(r#"{"msg":"before"}"#).await;
    pipeline.settle(1).await;
    redis.stop();
    let sent = flood(&pipeline, 1).await;
    redis.resume();
    recovered(&pipeline, sent).await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_a_redis_that_is_away() {
    let redis = Redis::start();
    let pipeline = Pipeline::start_on(Database::new(), &redis, &SMALL);
    pipeline.node("/").await.send(r#"{"msg":"before"}"#).await;
    pipeline.settle(1).await;
    redis.freeze();
    let sent = flood(&pipeline, 1).await;
    redis.thaw();
    recovered(&pipeline, sent).await;
}

#[tokio::test]
async fn a_full_queue_without_a_flush_grows_no_more() {
    let most = 2 << 20;
    let settings = [&SMALL[..], &[("QUEUE_MAX_BYTES", "2_097_152")]].concat();
    let pipeline = Pipeline::start_with(&settings);
    pipeline.flush.signal("-STOP");
    let sent = flood(&pipeline, 0).await;
    pipeline.flush.signal("-CONT");
    recovered(&pipeline, sent).await;
    let stored = pipeline.flush.metric("database_stored_messages").await;
    assert!(stored * 1024 < most + (3 << 20), "{stored} messages of 1 KiB were kept");
}

#[tokio::test]
async fn nothing_is_dropped_while_the_queue_makes_progress() {
    let settings = [
        ("INGEST_BUFFER_BYTES", "1_048_576"),
        ("WS_MAX_PAYLOAD", "65_536"),
        ("QUEUE_MAX_BYTES", "1_048_576"),
    ];
    let pipeline = Pipeline::start_with(&settings);
    let senders: Vec<JoinHandle<Node>> = (0..4)
        .map(|_| {
            let address = pipeline.ingest.address().to_owned();
            tokio::spawn(async move {
                let mut node = Node::connect(&address, "/").await;
                for _ in 0..10 {
                    node.raw(&messages(1000)).await;
                }
                // Open, so that no reset destroys what is still in the kernel.
                node
            })
        })
        .collect();
    // The database stalls again and again, but never for long.
    let owner = pipeline.database.owner().await;
    while !senders.iter().all(JoinHandle::is_finished) {
        let stall =
            "BEGIN; LOCK TABLE log_rows; SELECT pg_sleep(0.7); COMMIT; SELECT pg_sleep(0.3)";
        owner.batch_execute(stall).await.unwrap();
    }
    assert_eq!(pipeline.settle(40_000).await, 40_000);
    let text = pipeline.ingest.get("/metrics").await.text();
    let waited = metric(&text, "ingest_push_retries_total{reason=\"queue_full\"}");
    assert!(waited > 0, "the queue was full");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_end_is_stored() {
    let Pipeline { database, ingest, flush, .. } = Pipeline::start();
    let going = Arc::new(AtomicBool::new(true));
    let senders: Vec<JoinHandle<Option<u16>>> = (0..8)
        .map(|number| {
            let (address, going) = (ingest.address().to_owned(), Arc::clone(&going));
            tokio::spawn(async move {
                let mut node = Node::connect(&address, "/").await;
                // Half of them as fast as they can, half of them in small steps.
                let burst = messages(if number % 2 == 0 { 200 } else { 1 });
                while going.load(Relaxed) && node.try_raw(&burst).await {
                    if number % 2 == 1 {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                node.close_code().await
            })
        })
        .collect();
    eventually("much is under way", || async {
        (ingest.metric("ingest_received_messages_total").await > 20_000).then_some(())
    })
    .await;

    let log = ingest.log_handle();
    let status = ingest.stop().await;
    going.store(false, Relaxed);
    assert_eq!(status.code(), Some(0));
    for sender in senders {
        assert_eq!(sender.await.unwrap(), Some(1001), "everyone is told that it goes away");
    }
    eventually("the log is complete", || async { log.text().contains("stopped").then_some(()) })
        .await;
    let drained = log.event("drained");
    let (received, queued) = (drained["received"].as_i64(), drained["queued"].as_i64());
    assert!(received > Some(20_000) && received == queued, "{drained}");
    assert!(!log.text().contains("in time"), "{}", log.text());

    eventually("the queue is empty", || async {
        (flush.metric("queue_messages").await == 0).then_some(())
    })
    .await;
    let sql = "SELECT count(*) FROM tetcore_logs";
    let stored: i64 = database.owner().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(Some(stored), received);
}
