//! What is in a database: the same messages of the same nodes, many or few.

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    db::{Client, ToSql},
    testing::Database,
};
use tokio::try_join;

use crate::{fill::make, patience::patiently};

/// Nodes that send.
pub(crate) const NODES: u64 = 2000;
/// Connections of each node, over the whole time.
const CONNECTIONS: u64 = 200;
/// Messages of each node in a round, one of them a network state.
const ROUND: u64 = 100;
/// What log_stats tells apart.
pub(crate) const TYPES: u64 = 10;
/// Machines, benchmarks, and events of one of these.
pub(crate) const EVENTS: u64 = 1000;
/// With the expiry in [`EXPIRY`], 100 partitions hold rows: as many as ever do.
const DAYS: i64 = 25;
/// LOG_EXPIRY_H of that time.
pub(crate) const EXPIRY: (&str, &str) = ("LOG_EXPIRY_H", "600");

/// A filled database.
pub(crate) struct History {
    owner: Client,
    /// For a second core, where there is one.
    other: Client,
    /// So often did each node send one of each hundred.
    pub(crate) rounds: u64,
    /// And so many network states later on.
    states: u64,
    /// The time of the last message of a round.
    newest: DateTime<Utc>,
    /// Peer ids of the nodes, by their number.
    peers: Vec<String>,
    /// Tables and indexes, partitions aside.
    pub(crate) relations: u64,
}

impl History {
    /// Fills an empty database.
    pub(crate) async fn make(database: &Database, rounds: u64) -> Result<Self> {
        let owner = database.owner().await;
        owner.batch_execute(include_str!("../old_partitions.sql")).await?;
        owner.execute("SELECT pg_temp.make_old_partitions('6 hours', 104)", &[]).await?;
        let material = owner.batch_execute(include_str!("material.sql"));
        patiently("material is made", async { Ok(material.await?) }).await?;
        let peers = owner.query(include_str!("peers.sql"), &[]).await?;
        let peers = peers.iter().map(|row| row.get(0)).collect();
        let relations = owner.query_one(include_str!("relations.sql"), &[]).await?;
        let relations = u64::try_from(relations.get::<_, i64>(0))?;
        let (other, newest) = (database.owner().await, Utc::now());
        let history = Self { owner, other, rounds, states: 0, newest, peers, relations };
        history.fill().await?;
        Ok(history)
    }

    async fn fill(&self) -> Result<()> {
        let Self { owner, other, newest, .. } = self;
        let connections = i64::try_from(CONNECTIONS)?;
        let each_us = duration_us(CONNECTIONS)?;
        let sql = include_str!("connections.sql");
        make(owner, sql, &[newest, &connections, &each_us], NODES * CONNECTIONS).await?;
        make(owner, include_str!("nodes.sql"), &[], NODES).await?;

        let messages = i64::try_from(self.rounds * ROUND)?;
        let step_us = duration_us(self.rounds * ROUND)?;
        let half = async |client: &Client, half: i32| {
            let parameters: [&(dyn ToSql + Sync); 5] =
                [newest, &step_us, &messages, &connections, &half];
            make(client, include_str!("messages.sql"), &parameters, self.messages() / 2).await
        };
        try_join!(half(owner, 0), half(other, 1))?;
        self.derive(DateTime::UNIX_EPOCH).await?;
        make(owner, include_str!("benchmarks.sql"), &[&self.middle()], EVENTS).await
    }

    /// Derives from the messages since this time what batch-flush would have derived.
    async fn derive(&self, since: DateTime<Utc>) -> Result<()> {
        let counts = patiently("messages are counted and targets noted", async {
            self.owner.execute(include_str!("counts.sql"), &[&since]).await?;
            Ok(self.owner.execute(include_str!("targets.sql"), &[&since]).await?)
        });
        let parameters: [&(dyn ToSql + Sync); 1] = [&since];
        let reports = make(&self.other, include_str!("reports.sql"), &parameters, NODES);
        try_join!(counts, reports)?;
        Ok(())
    }

    /// Adds a network state of each node, just now: the time from which on they are.
    pub(crate) async fn report(&mut self) -> Result<DateTime<Utc>> {
        let now = Utc::now();
        make(&self.owner, include_str!("states.sql"), &[&now], NODES).await?;
        self.derive(now).await?;
        self.states += 1;
        Ok(now)
    }

    /// Leaves nothing to do for later: dead rows, statistics, pages that are not on disk.
    pub(crate) async fn settle(&self) -> Result<()> {
        patiently("the database is vacuumed", async {
            self.owner.batch_execute("VACUUM (ANALYZE)").await?;
            Ok(self.owner.batch_execute("CHECKPOINT").await?)
        })
        .await
    }

    /// Messages of each node: the last one is alone of its kind, and the oldest.
    pub(crate) fn messages_each(&self) -> u64 {
        self.rounds * ROUND + self.states + 1
    }

    /// Messages of all nodes.
    pub(crate) fn messages(&self) -> u64 {
        self.messages_each() * NODES
    }

    /// Half of the messages are older.
    fn middle(&self) -> DateTime<Utc> {
        self.newest - TimeDelta::days(DAYS) / 2
    }

    /// `text`, its places filled for a node: `{peer}` and `{number}`; `{from}` and `{to}`, between
    /// which each node sent a tenth of its rounds, up to the middle of the time.
    pub(crate) fn about(&self, text: &str, node: u64) -> Result<String> {
        let number = node % NODES;
        let peer = self.peers.get(usize::try_from(number)?).context("no such node")?;
        let to = self.middle();
        let [from, to] = [to - TimeDelta::days(DAYS) / 10, to]
            .map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string());
        let places =
            [("{peer}", peer), ("{number}", &number.to_string()), ("{from}", &from), ("{to}", &to)];
        Ok(places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value)))
    }
}

/// Microseconds of each of so many parts of the whole time.
fn duration_us(parts: u64) -> Result<i64> {
    let all = TimeDelta::days(DAYS).num_microseconds().context("too long")?;
    Ok(all / i64::try_from(parts)?)
}
