//! A private Redis Cluster.

use super::{Redis, eventually, free_port};

const MASTERS: u16 = 3;
const SLOTS: u16 = 16_384;
/// After so many milliseconds without an answer a master has failed, and its replica takes over.
const NODE_TIMEOUT_MS: u16 = 3000;

/// Three masters with a replica each.
pub struct RedisCluster {
    /// The first masters, then the replica of each; later their roles may change.
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a Cluster of this test's own, and waits until it works.
    pub async fn start() -> Self {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..2 * MASTERS {
            let bus = free_port().to_string();
            let arguments = [
                ["--cluster-enabled", "yes"],
                // The default, 10,000 above the other port, may be none.
                ["--cluster-port", &bus],
                ["--cluster-node-timeout", &NODE_TIMEOUT_MS.to_string()],
                // A replica need not wait for a disk to get what its master has.
                ["--repl-diskless-sync-delay", "0"],
            ];
            let arguments = arguments.as_flattened().iter().map(|&word| word.to_owned());
            nodes.push(Redis::start_with(arguments.collect()));
            buses.push(bus);
        }
        for (node, number) in nodes.iter().zip(1..) {
            let () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &u16::to_string(&number)]);
        }
        for (node, number) in nodes.iter().zip(0..MASTERS) {
            let (first, next) = (number * share(), (number + 1) * share());
            let last = next.min(SLOTS) - 1;
            let range = [first.to_string(), last.to_string()];
            let () = node.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let () = nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &node.port(), bus]);
        }
        let cluster = Self { nodes };
        cluster
            .all("every server knows every other", |node| info(node, "known_nodes") == "6")
            .await;
        let (masters, replicas) = cluster.nodes.split_at(MASTERS.into());
        for (master, replica) in masters.iter().zip(replicas) {
            let () = replica.command(&["CLUSTER", "REPLICATE", &id(master)]);
        }
        cluster.all("the Cluster works", |node| info(node, "state") == "ok").await;
        eventually("every master has a replica", || async {
            let has_replica = |master: &Redis| !offsets(master).1.is_empty();
            masters.iter().all(has_replica).then_some(())
        })
        .await;
        // What the first tells, clients learn.
        cluster
            .all("every server knows the replicas", |node| {
                let slots: Vec<(u16, u16, redis::Value, redis::Value)> =
                    node.try_command(&["CLUSTER", "SLOTS"]).unwrap_or_default();
                slots.len() == usize::from(MASTERS)
            })
            .await;
        cluster
    }

    /// Any of its servers.
    #[must_use]
    pub fn any(&self) -> &Redis {
        &self.nodes[0]
    }

    /// Which master has `key` at first.
    #[must_use]
    pub fn first_master_of(&self, key: &str) -> usize {
        (self.slot(key) / share()).into()
    }

    /// Which server has `key` now, as far as it knows itself.
    #[must_use]
    pub fn owner(&self, key: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.try_command::<i64>(&["EXISTS", key]).is_ok())
    }

    /// The masters of this moment.
    #[must_use]
    pub fn masters(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| role(&self.nodes[*index]) == "master").collect()
    }

    /// Waits until all that a master did has reached its replica.
    pub async fn replicated(&self, master: usize) {
        let (all, _) = offsets(&self.nodes[master]);
        eventually("the replica has everything", || async {
            let (_, replicas) = offsets(&self.nodes[master]);
            replicas.iter().any(|replica| *replica >= all).then_some(())
        })
        .await;
    }

    /// Has the replica of a master take its place, as for maintenance. Others agree to this once
    /// in some seconds.
    pub async fn fail_over(&self, master: usize) {
        let replica = self.replica(master).await;
        // Only a replica that follows its master can ask it to wait.
        self.replicated(master).await;
        let () = self.nodes[replica].command(&["CLUSTER", "FAILOVER"]);
        self.taken_over(replica).await;
    }

    /// Ends the master of `key` without warning; once its replica has taken its place, it starts
    /// again, as that one's replica.
    pub async fn kill_master(&mut self, key: &str) {
        let before = self.owner(key).unwrap();
        let replica = self.replica(before).await;
        self.nodes[before].stop();
        self.taken_over(replica).await;
        self.nodes[before].resume();
    }

    /// Moves the slot of `key` to another master. `half_way` is awaited before anything has been
    /// moved, and then with each key.
    pub async fn move_slot(&self, key: &str, mut half_way: impl AsyncFnMut()) {
        let slot = self.slot(key).to_string();
        let from = self.owner(key).unwrap();
        let to = self.masters().into_iter().find(|&other| other != from).unwrap();
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let () = to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        let () = from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        half_way().await;
        loop {
            let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "1"]);
            let Some(key) = keys.first() else { break };
            // One at a time, so that some are here and some are there meanwhile.
            let () = from.command(&["MIGRATE", "127.0.0.1", &to.port(), key, "0", "5000"]);
            half_way().await;
        }
        for node in [to, from] {
            let () = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        }
    }

    fn slot(&self, key: &str) -> u16 {
        self.any().command(&["CLUSTER", "KEYSLOT", key])
    }

    /// The replica of a master. It may have had another until lately.
    async fn replica(&self, master: usize) -> usize {
        let id_of_master = id(&self.nodes[master]);
        eventually("the master knows its replica", || async {
            let replicas: Vec<String> =
                self.nodes[master].command(&["CLUSTER", "REPLICAS", &id_of_master]);
            let first = replicas.first()?;
            let is_first = |node: &Redis| {
                node.try_command::<String>(&["CLUSTER", "MYID"])
                    .is_ok_and(|id| first.starts_with(&id))
            };
            self.nodes.iter().position(is_first)
        })
        .await
    }

    async fn taken_over(&self, by: usize) {
        eventually("the replica takes over", || async {
            (role(&self.nodes[by]) == "master").then_some(())
        })
        .await;
    }

    async fn all(&self, what: &str, condition: impl Fn(&Redis) -> bool) {
        eventually(what, || async { self.nodes.iter().all(&condition).then_some(()) }).await;
    }
}

/// Slots of a master.
fn share() -> u16 {
    SLOTS.div_ceil(MASTERS)
}

fn id(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"])
}

fn role(node: &Redis) -> String {
    let role: Vec<redis::Value> = node.command(&["ROLE"]);
    redis::from_redis_value(role[0].clone()).unwrap()
}

/// A value of `CLUSTER INFO`.
fn info(node: &Redis, name: &str) -> String {
    let text: String = node.command(&["CLUSTER", "INFO"]);
    let name = format!("cluster_{name}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_default().to_owned()
}

/// How much a master has written, in bytes since some moment, and how much of it each of its
/// replicas says that it has.
fn offsets(master: &Redis) -> (i64, Vec<i64>) {
    let (_, written, replicas): (String, i64, Vec<(String, String, i64)>) =
        master.command(&["ROLE"]);
    (written, replicas.into_iter().map(|(_, _, has)| has).collect())
}
