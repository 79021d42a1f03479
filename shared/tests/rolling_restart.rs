//! Every function is restarted, one instance after another, behind the balancer, while nodes send,
//! subscribers listen and clients ask.
#![expect(clippy::unwrap_used, reason = "tests")]

mod repository;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shared::testing::{
    Balancer, Database, Function, Node, Redis, eventually, free_port, get, unique,
};
use tokio::{net::TcpStream, task::JoinHandle, time::sleep};

const NODES: usize = 200;
/// Between two messages of a node: 2,000 of all in a second.
const PACE: Duration = Duration::from_millis(100);
/// Subscribers of as many of the nodes.
const SUBSCRIBERS: usize = 4;
/// Real nodes wait for 10 to 19 s before they connect again.
const RECONNECT: Duration = Duration::from_millis(200);
/// A route of each function that answers queries.
const QUERIES: [&str; 10] = [
    "/nodes",
    "/nodes/logs?peer_id=peer0",
    "/nodes/log_stats?peer_id=peer0",
    "/reputation/peer0",
    "/reputation/logged",
    "/reputation",
    "/stats/db",
    "/host_systems",
    "/benchmarks",
    "/dashboard",
];

/// What a subscriber was told.
#[derive(Default)]
struct Heard {
    /// The keys of messages, as they came.
    keys: Vec<String>,
    connections: u64,
}

/// What runs while everything is restarted.
#[derive(Clone)]
struct Bystander {
    balancer: String,
    over: Arc<AtomicBool>,
}

impl Bystander {
    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// A WebSocket, if somebody takes it just now.
    async fn connect(&self, path: &str) -> Option<Node> {
        let stream = TcpStream::connect(&self.balancer).await.ok()?;
        Node::shake_hands(stream, &self.balancer, path, "").await.ok()
    }

    /// Sends at an even pace, and connects again as nodes do; nothing is sent twice. How many
    /// messages were sent, and how often it connected.
    async fn send(self, number: usize) -> (u64, u64) {
        let (mut sent, mut connections) = (0, 0);
        while !self.is_over() {
            let Some(mut node) = self.connect("/").await else {
                sleep(RECONNECT).await;
                continue;
            };
            connections += 1;
            let mut message =
                json!({ "msg": "system.connected", "network_id": format!("peer{number}") });
            loop {
                message["key"] = json!(format!("{number}-{sent}"));
                let written = node.try_send(message.to_string()).await;
                sent += 1;
                if !written || self.is_over() {
                    break;
                }
                message = json!({ "msg": "n" });
                sleep(PACE).await;
            }
            sleep(RECONNECT).await;
        }
        (sent, connections)
    }

    /// Subscribes to a node, and goes on behind what it had when its connection ends, for ever.
    async fn listen(self, number: usize, heard: Arc<Mutex<Heard>>) {
        let peer = format!("peer{number}");
        let mut since = None;
        loop {
            let Some(mut client) = self.connect("/feed").await else {
                sleep(RECONNECT).await;
                continue;
            };
            heard.lock().unwrap().connections += 1;
            let mut request = json!({ "peer_id": peer, "msg": "*", "interest": "subscribe" });
            match &since {
                Some(since) => request["since"] = Value::clone(since),
                None => request["start_time"] = json!("2026-01-01T00:00:00"),
            }
            client.send_text(request.to_string()).await;
            while let Some(frame) = client.receive().await {
                if frame.opcode == 9 {
                    client.frame(true, 10, &frame.payload).await;
                } else if frame.opcode == 1 {
                    let answer: Value = serde_json::from_slice(&frame.payload).unwrap();
                    let data = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
                    let keys = data.iter().map(|entry| entry["logs"]["key"].as_str().unwrap());
                    heard.lock().unwrap().keys.extend(keys.map(str::to_owned));
                    since = Some(answer["since"].clone());
                }
            }
        }
    }

    /// Asks again and again: how many answers of each status.
    async fn ask(self, path: &'static str) -> BTreeMap<u16, u64> {
        let mut statuses = BTreeMap::new();
        while !self.is_over() {
            let status = get(&self.balancer, path, &[]).await.status.as_u16();
            *statuses.entry(status).or_default() += 1;
            sleep(Duration::from_millis(20)).await;
        }
        statuses
    }
}

/// One of two that run side by side.
struct Instance {
    name: String,
    settings: Vec<(&'static str, String)>,
    function: Function,
}

impl Instance {
    fn start(name: &str, settings: Vec<(&'static str, String)>) -> Self {
        let borrowed: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let function = Function::start(name, &borrowed);
        Self { name: name.to_owned(), settings, function }
    }

    async fn ready(&self) {
        eventually(&format!("{} is ready", self.name), || async {
            (self.function.get("/readyz").await.status == 200).then_some(())
        })
        .await;
    }

    /// Ends it: how many messages it had received, where it is ws-ingest.
    async fn stop(self) -> u64 {
        let log = self.function.log_handle();
        assert!(self.function.stop().await.success(), "{}: {}", self.name, log.text());
        if self.name == "ws-ingest" {
            log.event("drained")["received"].as_u64().unwrap()
        } else {
            0
        }
    }
}

/// Two of each function that serves, each with the role that it has in production.
fn start_all(database: &Database) -> Vec<Instance> {
    let catalogue = std::fs::read_to_string(repository::root().join("terraform/functions.json"));
    let catalogue: Value = serde_json::from_str(&catalogue.unwrap()).unwrap();
    let prefix = unique("test");
    let names = repository::functions()
        .into_iter()
        .filter(|name| repository::arguments(name).is_some_and(<[_]>::is_empty));
    names
        .flat_map(|name| [name.clone(), name])
        .map(|name| {
            let role = catalogue[&name]["database"].as_str().unwrap_or("query");
            let settings = vec![
                ("REDIS_URL", Redis::shared().url()),
                ("QUEUE_PREFIX", prefix.clone()),
                ("DATABASE_URL", database.url(&format!("tetcore_{role}"))),
                ("PORT", free_port().to_string()),
                ("CACHE_UPDATE_INTERVAL_MS", "100".to_owned()),
                ("NUM_THREADS", "1".to_owned()),
            ];
            Instance::start(&name, settings)
        })
        .collect()
}

/// How many nodes are connected.
async fn connected(instances: &[Instance]) -> usize {
    let mut all = 0;
    for ingest in instances.iter().filter(|instance| instance.name == "ws-ingest") {
        all += usize::try_from(ingest.function.metric("ingest_connections").await).unwrap();
    }
    all
}

/// What all these come to.
async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_one_after_another_nobody_loses_anything() {
    let database = Database::new();
    let mut instances = start_all(&database);
    for instance in &instances {
        instance.ready().await;
    }
    let balancer = Balancer::start(
        instances.iter().map(|instance| (instance.name.as_str(), instance.function.address())),
    )
    .await;
    let bystander = Bystander { balancer: balancer.address().to_owned(), over: Arc::default() };
    let sending: Vec<_> =
        (0..NODES).map(|number| tokio::spawn(bystander.clone().send(number))).collect();
    let heard: Vec<Arc<Mutex<Heard>>> = (0..SUBSCRIBERS).map(|_| Arc::default()).collect();
    for (number, heard) in heard.iter().enumerate() {
        tokio::spawn(bystander.clone().listen(number, Arc::clone(heard)));
    }
    let asking: Vec<_> =
        QUERIES.iter().map(|path| tokio::spawn(bystander.clone().ask(path))).collect();
    let owner = database.owner().await;
    let stored = "SELECT count(*), count(DISTINCT logs->>'key') FROM tetcore_logs";
    eventually("messages flow", || async {
        (owner.query_one(stored, &[]).await.unwrap().get::<_, i64>(0) > 500).then_some(())
    })
    .await;

    let begin = Instant::now();
    let mut received = 0;
    for index in 0..instances.len() {
        // The other one of its kind must be in use.
        balancer.knows_all().await;
        let instance = instances.remove(index);
        let (name, settings) = (instance.name.clone(), instance.settings.clone());
        received += instance.stop().await;
        instances.insert(index, Instance::start(&name, settings));
        instances[index].ready().await;
        // As an orchestrator would, who gives the balancer time; here the nodes themselves.
        eventually("all nodes are back", || async {
            (connected(&instances).await == NODES).then_some(())
        })
        .await;
    }
    let took = begin.elapsed();
    bystander.over.store(true, Relaxed);

    let sent = all(sending).await;
    for statuses in all(asking).await {
        assert_eq!(statuses.into_keys().collect::<Vec<_>>(), [200], "no query failed");
    }
    let (ingests, _others): (Vec<_>, Vec<_>) =
        instances.into_iter().partition(|instance| instance.name == "ws-ingest");
    for ingest in ingests {
        received += ingest.stop().await;
    }
    let received = i64::try_from(received).unwrap();
    eventually("all that was read is stored", || async {
        (owner.query_one(stored, &[]).await.unwrap().get::<_, i64>(0) >= received).then_some(())
    })
    .await;
    let row = owner.query_one(stored, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (received, received));
    database.assert_derived().await;

    // Each of them once, in the order of the connection. That of a node's connections is theirs only
    // where they lie as far apart as real nodes'.
    let of_node = "SELECT peer_connection_id, logs->>'key' FROM tetcore_logs
                   WHERE node_id = node_id($1) ORDER BY peer_connection_id, id";
    let mut connections = 0;
    for (number, heard) in heard.iter().enumerate() {
        let rows = owner.query(of_node, &[&format!("peer{number}")]).await.unwrap();
        let connection_of: BTreeMap<String, i64> =
            rows.iter().map(|row| (row.get(1), row.get(0))).collect();
        let expected: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
        eventually("the subscriber has heard all", || {
            let all = heard.lock().unwrap().keys.len() >= expected.len();
            std::future::ready(all.then_some(()))
        })
        .await;
        let mut keys = heard.lock().unwrap().keys.clone();
        keys.sort_by_key(|key| connection_of.get(key));
        assert_eq!(keys, expected);
        connections += heard.lock().unwrap().connections;
    }
    assert!(connections >= 2 * SUBSCRIBERS as u64, "each had to come back: {connections}");

    let (sent, reconnected): (Vec<u64>, Vec<u64>) = sent.into_iter().unzip();
    eprintln!(
        "rolling restart in {took:?}: {} sent by nodes that connected {} times, {received} read, \
         each stored once; subscribers connected {connections} times",
        sent.iter().sum::<u64>(),
        reconnected.iter().sum::<u64>(),
    );
}
