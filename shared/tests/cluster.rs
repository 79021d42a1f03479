//! On a Redis Cluster each message is stored once, whatever becomes of its servers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use shared::testing::{
    Database, Function, Node, Pipeline, RedisCluster, eventually, masked, unique,
};
use tokio::{task::JoinHandle, time::interval};

const SHARDS: u16 = 3;
const SOCKETS: u32 = 12;
/// Nodes send so many messages at once, again and again.
const BURST: u32 = 10;

/// A pipeline of which every shard is on a master of its own, and the prefix of its keys.
fn pipeline(cluster: &RedisCluster) -> (Pipeline, String) {
    let prefix = loop {
        let prefix = unique("test");
        let masters = (0..SHARDS).map(|shard| cluster.first_master_of(&key(&prefix, shard)));
        if masters.collect::<std::collections::BTreeSet<_>>().len() == usize::from(SHARDS) {
            break prefix;
        }
    };
    let shards = SHARDS.to_string();
    let settings = [("QUEUE_PREFIX", prefix.as_str()), ("QUEUE_SHARDS", shards.as_str())];
    (Pipeline::start_on(Database::new(), cluster.any(), &settings), prefix)
}

/// A key of a shard.
fn key(prefix: &str, shard: u16) -> String {
    format!("{{{prefix}:{shard}}}:queue")
}

/// Nodes that send until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    nodes: Vec<JoinHandle<i64>>,
}

impl Load {
    /// Nodes whose messages bear `name`.
    async fn start(pipeline: &Pipeline, name: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut nodes = Vec::new();
        for socket in 0..SOCKETS {
            let (mut node, stop) = (pipeline.node("/").await, Arc::clone(&stop));
            nodes.push(tokio::spawn(async move {
                let connected =
                    json!({ "msg": "system.connected", "network_id": peer(name, socket) });
                node.send(connected.to_string()).await;
                let mut pace = interval(Duration::from_millis(10));
                let mut sent = 0;
                while !stop.load(Relaxed) {
                    pace.tick().await;
                    let burst = (sent..sent + i64::from(BURST)).flat_map(|number| {
                        let key = format!("{name}-{socket}-{number}");
                        let message = json!({ "msg": "a", "key": key, "number": number });
                        masked(true, 2, message.to_string().as_bytes())
                    });
                    assert!(
                        node.try_raw(&burst.collect::<Vec<u8>>()).await,
                        "the socket stays open"
                    );
                    sent += i64::from(BURST);
                }
                sent
            }));
        }
        Self { stop, nodes }
    }

    /// How many messages each node sent, the first of each left out.
    async fn stop(self) -> Vec<i64> {
        self.stop.store(true, Relaxed);
        let mut sent = Vec::new();
        for node in self.nodes {
            sent.push(node.await.unwrap());
        }
        sent
    }
}

fn peer(name: &str, socket: u32) -> String {
    format!("{name}-{socket}")
}

/// A number of the whole table.
async fn count(pipeline: &Pipeline, what: &str) -> i64 {
    let sql = format!("SELECT {what} FROM tetcore_logs");
    pipeline.database.owner().await.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Waits until further messages reach the database.
async fn flows(pipeline: &Pipeline) {
    let owner = pipeline.database.owner().await;
    let stored = async || -> i64 {
        let sql = "SELECT sum(stored)::bigint FROM ingest_totals";
        owner.query_one(sql, &[]).await.unwrap().get(0)
    };
    let before = stored().await;
    eventually("messages flow", || async { (stored().await > before + 2000).then_some(()) }).await;
}

/// The feed's next answer; none at its end.
async fn answer(client: &mut Node) -> Option<Value> {
    loop {
        let frame = client.receive().await?;
        match frame.opcode {
            1 => return Some(serde_json::from_slice(&frame.payload).unwrap()),
            9 => client.frame(true, 10, &frame.payload).await,
            _ => return None,
        }
    }
}

/// What a subscriber of the first node gets.
async fn subscriber(pipeline: &Pipeline, name: &str) -> (Function, Arc<Mutex<Vec<i64>>>) {
    let url = pipeline.database.url("tetcore_query");
    let own = [("DATABASE_URL", url.as_str()), ("CACHE_UPDATE_INTERVAL_MS", "100")];
    let feed = Function::start("live-feed", &[&pipeline.settings(), &own[..]].concat());
    let mut client = Node::connect(feed.address(), "/feed").await;
    let subscribe = json!({ "peer_id": peer(name, 0), "msg": "a", "interest": "subscribe" });
    client.send_text(subscribe.to_string()).await;
    let first = answer(&mut client).await.unwrap();
    assert_eq!(first["data"], json!([]), "{first}");
    let got = Arc::new(Mutex::new(Vec::new()));
    let gets = Arc::clone(&got);
    tokio::spawn(async move {
        while let Some(answer) = answer(&mut client).await {
            let data = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
            let numbers = data.iter().map(|entry| entry["logs"]["number"].as_i64().unwrap());
            gets.lock().unwrap().extend(numbers);
        }
    });
    (feed, got)
}

#[tokio::test]
async fn moved_slots_and_planned_failovers_lose_nothing() {
    let cluster = RedisCluster::start().await;
    let (pipeline, prefix) = pipeline(&cluster);
    let (_feed, got) = subscriber(&pipeline, "a").await;
    let load = Load::start(&pipeline, "a").await;
    flows(&pipeline).await;

    let shard = key(&prefix, 0);
    cluster
        .move_slot(&shard, async || {
            // Somebody wants what is on its way.
            let refused = pipeline.ingest.metric("ingest_push_retries_total").await;
            eventually("a push is refused", || async {
                let now = pipeline.ingest.metric("ingest_push_retries_total").await;
                (now > refused).then_some(())
            })
            .await;
        })
        .await;
    flows(&pipeline).await;
    for master in cluster.masters() {
        cluster.fail_over(master).await;
        flows(&pipeline).await;
    }

    let numbers = load.stop().await;
    let sent = numbers.iter().sum::<i64>() + i64::from(SOCKETS);
    assert_eq!(pipeline.settle(sent).await, sent);
    assert_eq!(count(&pipeline, "count(DISTINCT logs->>'key')").await, sent - i64::from(SOCKETS));
    assert_eq!(count(&pipeline, "count(DISTINCT id)").await, sent, "no id was given twice");
    assert_eq!(pipeline.ingest.metric("ingest_dropped_messages_total").await, 0);
    eventually("the subscriber has everything", || async {
        (got.lock().unwrap().len() >= usize::try_from(numbers[0]).unwrap()).then_some(())
    })
    .await;
    assert_eq!(*got.lock().unwrap(), (0..numbers[0]).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test]
async fn what_a_replica_has_survives_its_master_and_nothing_is_stored_twice() {
    let mut cluster = RedisCluster::start().await;
    let (mut pipeline, prefix) = pipeline(&cluster);
    // What waits in the queue, and has reached the replicas.
    pipeline.flush.kill();
    let waiting = Load::start(&pipeline, "waiting").await;
    eventually("messages are queued", || async {
        (pipeline.ingest.metric("ingest_queued_messages_total").await > 5000).then_some(())
    })
    .await;
    let waiting: i64 = waiting.stop().await.iter().sum();
    eventually("all are queued", || async {
        let queued = pipeline.ingest.metric("ingest_queued_messages_total").await;
        (queued == waiting + i64::from(SOCKETS)).then_some(())
    })
    .await;
    for master in cluster.masters() {
        cluster.replicated(master).await;
    }

    // A master dies while it is read and written. It is also the one that the functions were told.
    pipeline.flush = pipeline.another_flush();
    let load = Load::start(&pipeline, "meanwhile").await;
    let victim = (0..SHARDS).map(|shard| key(&prefix, shard));
    let victim = victim.into_iter().find(|key| cluster.owner(key) == Some(0)).unwrap();
    cluster.kill_master(&victim).await;
    flows(&pipeline).await;
    let meanwhile: i64 = load.stop().await.iter().sum();

    let load = Load::start(&pipeline, "after").await;
    flows(&pipeline).await;
    let after: i64 = load.stop().await.iter().sum();
    let sent = waiting + meanwhile + after + 3 * i64::from(SOCKETS);
    eventually("all messages are handed over", || async {
        let text = pipeline.ingest.get("/metrics").await.text();
        let metric = |name| shared::testing::metric(&text, name);
        let handed_over = metric("ingest_received_messages_total") == sent
            && metric("ingest_in_flight_messages") == 0;
        handed_over.then_some(())
    })
    .await;
    eventually("the queue is empty", || async {
        let text = pipeline.flush.get("/metrics").await.text();
        let metric = |name| shared::testing::metric(&text, name);
        let at_rest = metric("flush_figures_current") == 1
            && metric("queue_messages") == 0
            && metric("queue_bytes") == 0;
        at_rest.then_some(())
    })
    .await;
    let stored = count(&pipeline, "count(*)").await;
    let keys = async |name: &str| {
        let what = format!(
            "count(DISTINCT logs->>'key') FILTER (WHERE starts_with(logs->>'key', '{name}-'))"
        );
        count(&pipeline, &what).await
    };
    assert_eq!(keys("waiting").await, waiting, "what the replica had");
    assert_eq!(keys("after").await, after, "what came later");
    let in_between = keys("meanwhile").await;
    eprintln!("lost with the master: {} of {meanwhile} messages", meanwhile - in_between);
    let distinct = count(&pipeline, "count(DISTINCT logs->>'key')").await;
    let introductions = count(&pipeline, "count(*) FILTER (WHERE msg = 'system.connected')").await;
    assert_eq!(stored, distinct + introductions, "nothing is stored twice");
    assert_eq!(count(&pipeline, "count(DISTINCT id)").await, stored, "no id was given twice");
    assert_eq!(pipeline.ingest.metric("ingest_dropped_messages_total").await, 0);
    pipeline.database.assert_derived().await;
}
