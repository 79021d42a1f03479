//! What nodes sent before somebody watched them, from PostgreSQL.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use shared::{
    cache::{ALL, Key},
    db::{Plans, Pool, QueryError, Row, Url},
    row::node_id,
};

use crate::{entry::Entry, rows::Encoded};

/// Connections: one for what somebody waits for, one for the names of nodes.
const CONNECTIONS: usize = 2;
/// How far back it goes where all nodes are watched: nobody could follow an hour of that.
const OF_ALL: Duration = Duration::from_mins(1);

/// A way to the past.
#[derive(Clone)]
pub struct Past {
    pool: Pool,
    reach: Duration,
}

impl Past {
    /// Of as much as `reach`; a query that takes longer than `timeout` is given up.
    pub fn new(url: &Url, reach: Duration, timeout: Duration) -> anyhow::Result<Self> {
        let name = env!("CARGO_PKG_NAME");
        Ok(Self { pool: Pool::new(url, name, CONNECTIONS, timeout, Plans::Custom)?, reach })
    }

    /// Whether the database answers.
    pub async fn check(&self) -> Result<(), QueryError> {
        self.pool.ping().await
    }

    /// What was stored of `key` until now, as far as it goes back, in no order.
    pub async fn load(&self, key: &Key) -> anyhow::Result<Vec<Encoded>> {
        let msg = Some(&key.msg).filter(|msg| *msg != ALL);
        let since = |reach| Utc::now() - reach;
        if key.peer_id == ALL {
            let sql = include_str!("past_of_all.sql");
            let rows = self.pool.query(sql, &[&msg, &since(self.reach.min(OF_ALL))]).await?;
            return rows.iter().map(|row| encoded(row, row.get("peer_id"))).collect();
        }
        let node = node_id(&key.peer_id);
        let sql = include_str!("past.sql");
        let rows = self.pool.query(sql, &[&node, &msg, &since(self.reach)]).await?;
        rows.iter().map(|row| encoded(row, key.peer_id.clone())).collect()
    }

    /// The peer ids of these nodes.
    pub async fn names(&self, nodes: &[i64]) -> Result<HashMap<i64, String>, QueryError> {
        let rows = self.pool.query(include_str!("names.sql"), &[&nodes]).await?;
        Ok(rows.iter().map(|row| (row.get("id"), row.get("peer_id"))).collect())
    }
}

fn encoded(row: &Row, peer: String) -> anyhow::Result<Encoded> {
    let created_at: DateTime<Utc> = row.get("created_at");
    let logs = RawValue::from_string(row.get("logs"))?;
    let (id, at, msg) = (row.get("id"), created_at.timestamp_micros(), row.get("msg"));
    Encoded::new(&Entry { id, at, peer, msg, logs: &logs })
}
