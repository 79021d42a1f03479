//! Whatever is killed on the way, each message that was read is stored once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use shared::{
    queue::{self, Consumer},
    testing::{Function, Node, Pipeline, Postgres, Redis, eventually, masked},
};

const SOCKETS: u32 = 50;
const ROUNDS: u32 = 10;
const MESSAGES_A_ROUND: u32 = 400;

/// Sends a socket's messages of one round; every message of the test is different. Nodes say who
/// they are, and what they think of each other.
async fn send_round(node: &mut Node, socket: u32, round: u32) {
    let mut burst = Vec::new();
    for number in 0..MESSAGES_A_ROUND {
        let what = match number % 100 {
            0 => format!(r#""msg":"system.connected","network_id":"peer{socket}""#),
            1 => {
                let peers = format!(r#""peer{number}":{{"reputation":{round},"connected":true}}"#);
                let peerset = format!(r#"{{"nodes":{{{peers}}}}}"#);
                format!(r#""msg":"system.network_state","state":{{"peerset":{peerset}}}"#)
            }
            _ => format!(r#""msg":"block.import","best":"0x{number:064x}""#),
        };
        let message = format!(
            r#"{{"id":1,"payload":{{{what},"key":"{socket}-{round}-{number}"}},"ts":"2026-11-22T08:{round:02}:00+00:00"}}"#
        );
        burst.extend(masked(true, 2, message.as_bytes()));
        if number % 50 == 49 {
            assert!(node.try_raw(&burst).await, "the socket stays open");
            burst.clear();
        }
    }
}

/// Some moment within the time that a round takes.
async fn some_time() {
    let random = RandomState::new().hash_one(()) % 200;
    tokio::time::sleep(Duration::from_millis(random)).await;
}

/// Every message once: (rows, different messages).
async fn stored(pipeline: &Pipeline) -> (i64, i64) {
    let sql = "SELECT count(*), count(DISTINCT logs->>'key') FROM tetcore_logs";
    let row = pipeline.database.owner().await.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn kills_restarts_and_cuts_neither_lose_nor_repeat_a_message() {
    let mut postgres = Postgres::start();
    let redis = Redis::start();
    let mut pipeline = Pipeline::start_on(postgres.database(), &redis, &[]);
    let mut second = pipeline.another_flush();
    let mut nodes = Vec::new();
    for _ in 0..SOCKETS {
        nodes.push(pipeline.node("/").await);
    }
    let mut killed = 0;
    for round in 0..ROUNDS {
        let sending: Vec<_> = nodes
            .into_iter()
            .zip(0..)
            .map(|(mut node, socket)| {
                tokio::spawn(async move {
                    send_round(&mut node, socket, round).await;
                    node
                })
            })
            .collect();
        some_time().await;
        if round % 2 == 0 {
            pipeline.flush.kill();
            pipeline.flush = pipeline.another_flush();
        } else {
            second.kill();
            second = pipeline.another_flush();
        }
        killed += 1;
        if matches!(round, 3 | 7) {
            postgres.crash();
            some_time().await;
            postgres.resume();
        }
        if matches!(round, 2 | 5 | 8) {
            redis.cut_connections();
        }
        nodes = Vec::new();
        for node in sending {
            nodes.push(node.await.unwrap());
        }
    }
    assert_eq!(killed, 10);

    let sent = i64::from(SOCKETS * ROUNDS * MESSAGES_A_ROUND);
    assert_eq!(sent, 200_000);
    assert_eq!(pipeline.settle(sent).await, sent);
    assert_eq!(stored(&pipeline).await, (sent, sent));
    let identified = "SELECT count(DISTINCT peer_connection_id) FROM tetcore_logs";
    let owner = pipeline.database.owner().await;
    let connections: i64 = owner.query_one(identified, &[]).await.unwrap().get(0);
    assert_eq!(connections, i64::from(SOCKETS), "no id was given twice");
    // What settle() found equal to a scan was something.
    let derived = "SELECT sum(quantity)::bigint FROM nodes, node_log_counts(id)";
    assert_eq!(owner.query_one(derived, &[]).await.unwrap().get::<_, i64>(0), sent);
    let reports = "SELECT count(*), sum(reputations[1])::bigint FROM reputation_reports";
    let reports = owner.query_one(reports, &[]).await.unwrap();
    let last = i64::from(SOCKETS * (ROUNDS - 1));
    assert_eq!((reports.get(0), reports.get(1)), (i64::from(SOCKETS), last));
    // Nothing is left behind in Redis but sizes and the next id.
    let keys: Vec<String> = redis.command(&["KEYS", "*"]);
    let left = keys.iter().filter(|key| !key.ends_with(":size") && !key.ends_with(":ids"));
    assert_eq!(left.filter(|key| !key.ends_with(":doorbell")).count(), 0, "{keys:?}");
}

#[tokio::test]
async fn what_ws_ingest_had_read_survives_its_termination() {
    let pipeline = Pipeline::start();
    let address = pipeline.ingest.address().to_owned();
    let senders: Vec<_> = (0..SOCKETS)
        .map(|socket| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut node = Node::connect(&address, "/").await;
                let mut sent = 0;
                for number in 0.. {
                    let message = format!(r#"{{"msg":"a","key":"{socket}-{number}"}}"#);
                    if !node.try_raw(&masked(true, 2, message.as_bytes())).await {
                        break;
                    }
                    sent += 1;
                    tokio::task::yield_now().await;
                }
                sent
            })
        })
        .collect();
    eventually("messages flow", || async {
        (pipeline.ingest.metric("ingest_received_messages_total").await > 20_000).then_some(())
    })
    .await;

    let Pipeline { database, ingest, flush, .. } = pipeline;
    let log = ingest.log_handle();
    assert!(ingest.stop().await.success(), "exit code 0");
    let drained = log.event("drained");
    let received = drained["received"].as_i64().unwrap();
    assert_eq!(drained["queued"].as_i64(), Some(received), "all that was read was handed over");
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    assert!(sent >= received, "{sent} were sent, {received} of them read");

    let owner = database.owner().await;
    let sql = "SELECT count(*), count(DISTINCT logs->>'key') FROM tetcore_logs";
    eventually("all that was read is stored", || async {
        let rows: i64 = owner.query_one(sql, &[]).await.unwrap().get(0);
        (rows >= received).then_some(())
    })
    .await;
    let row = owner.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (received, received));
    assert!(flush.stop().await.success(), "exit code 0");
}

#[tokio::test]
async fn an_envelope_that_comes_again_is_known() {
    let redis = Redis::start();
    let postgres = Postgres::start();
    let pipeline = Pipeline::start_on(postgres.database(), &redis, &[]);
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"a","key":"1"}"#).await;
    pipeline.settle(1).await;
    let Pipeline { database, ingest, flush, .. } = &pipeline;
    let settings = pipeline.settings();
    let prefix = settings.iter().find(|(name, _)| *name == "QUEUE_PREFIX").unwrap().1;
    let queue = format!("{{{prefix}:0}}:queue");

    // A push whose answer was lost: the same element twice, then something that is no envelope.
    flush.signal("-STOP");
    node.send(r#"{"msg":"a","key":"2"}"#).await;
    eventually("it is queued", || async {
        (ingest.metric("ingest_queued_messages_total").await == 2).then_some(())
    })
    .await;
    let elements: Vec<Vec<u8>> = redis.command(&["LRANGE", &queue, "0", "-1"]);
    assert_eq!(elements.len(), 1);
    redis.push(&queue, &elements[0]);
    redis.push(&queue, b"nonsense");
    flush.signal("-CONT");
    let owner = database.owner().await;
    eventually("both are stored, and the nonsense is set aside", || async {
        let rows: i64 =
            owner.query_one("SELECT count(*) FROM tetcore_logs", &[]).await.unwrap().get(0);
        let unreadable = flush.metric("flush_unreadable_envelopes_total").await;
        let repeated = flush.metric("flush_repeated_envelopes_total").await;
        (rows == 2 && unreadable == 1 && repeated == 1).then_some(())
    })
    .await;
    let aside: Vec<Vec<u8>> =
        redis.command(&["LRANGE", &format!("{{{prefix}:0}}:unreadable"), "0", "-1"]);
    assert_eq!(aside, [b"nonsense"]);
    assert_eq!(stored(&pipeline).await, (2, 2));
}

#[tokio::test]
async fn a_claim_that_nobody_renews_is_rescued_and_an_acknowledgement_that_comes_late_does_no_harm()
{
    let pipeline = Pipeline::start();
    let settings = pipeline.settings();
    let value = |wanted: &str| settings.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let url: queue::Url = value("REDIS_URL").parse().unwrap();
    pipeline.flush.signal("-STOP");
    let mut node = pipeline.node("/").await;
    node.send(r#"{"msg":"a","key":"1"}"#).await;
    // A consumer takes it, and is gone.
    let mut lost = Consumer::new(&url, value("QUEUE_PREFIX"), 0);
    let claim = eventually("something is claimed", || async {
        let mut consumer = Consumer::new(&url, value("QUEUE_PREFIX"), 0);
        let claim = consumer.claim().await.unwrap();
        (!claim.is_empty()).then_some(claim)
    })
    .await;
    pipeline.flush.signal("-CONT");
    assert_eq!(pipeline.settle(1).await, 1);
    assert_eq!(pipeline.flush.metric("flush_rescued_claims_total").await, 1);
    lost.ack(&claim, 1).await.unwrap();
    // The first node was silent for too long meanwhile.
    pipeline.node("/").await.send(r#"{"msg":"a","key":"2"}"#).await;
    assert_eq!(pipeline.settle(2).await, 2, "sizes are still right");
}

#[tokio::test]
async fn once_drains_and_exits() {
    let pipeline = Pipeline::start();
    pipeline.flush.signal("-STOP");
    let mut node = pipeline.node("/").await;
    for number in 0..5000 {
        node.send(format!(r#"{{"msg":"a","key":"{number}"}}"#)).await;
    }
    eventually("all are queued", || async {
        (pipeline.ingest.metric("ingest_queued_messages_total").await == 5000).then_some(())
    })
    .await;
    let mut settings = pipeline.settings();
    let url = pipeline.database.url("tetcore_flush");
    settings.push(("DATABASE_URL", &url));
    Function::run("batch-flush", &settings, &["--once"]);
    pipeline.flush.signal("-CONT");
    assert_eq!(pipeline.settle(5000).await, 5000);
    assert_eq!(stored(&pipeline).await, (5000, 5000));
}
