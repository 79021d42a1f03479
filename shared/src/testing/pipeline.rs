//! ws-ingest and batch-flush on a Redis and a database of the test's own.

use super::{Database, Function, Node, Redis, eventually, metric, unique};

/// ws-ingest alone, ready, with a queue of its own on the Redis that this process shares.
pub async fn ingest(settings: &[(&str, &str)]) -> Function {
    let (url, prefix) = (Redis::shared().url(), unique("test"));
    let own = [("REDIS_URL", url.as_str()), ("QUEUE_PREFIX", prefix.as_str())];
    let ingest = Function::start("ws-ingest", &[&own, settings].concat());
    ready(&ingest).await;
    ingest
}

/// Waits until ws-ingest has met Redis; before that it refuses nodes.
async fn ready(ingest: &Function) {
    eventually("ws-ingest is ready", || async {
        ingest.get("/readyz").await.status.is_success().then_some(())
    })
    .await;
}

/// Everything between a node's socket and the database.
pub struct Pipeline {
    /// Where messages arrive.
    pub database: Database,
    /// Where nodes connect.
    pub ingest: Function,
    /// Who carries messages on.
    pub flush: Function,
    settings: Vec<(String, String)>,
}

impl Pipeline {
    /// Starts both functions on the servers that this process shares.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with further settings.
    #[must_use]
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_on(Database::new(), Redis::shared(), settings)
    }

    /// As [`start_with`](Self::start_with), on servers of the test's own. What the settings say
    /// counts.
    #[must_use]
    pub fn start_on(database: Database, redis: &Redis, settings: &[(&str, &str)]) -> Self {
        let prefix = unique("test");
        let mut all =
            vec![("REDIS_URL".to_owned(), redis.url()), ("QUEUE_PREFIX".to_owned(), prefix)];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let ingest = Function::start("ws-ingest", &borrowed(&all));
        let flush = start_flush(&database, &all);
        Self { database, ingest, flush, settings: all }
    }

    /// A further batch-flush on the same queue.
    #[must_use]
    pub fn another_flush(&self) -> Function {
        start_flush(&self.database, &self.settings)
    }

    /// The settings of its functions, without the database.
    #[must_use]
    pub fn settings(&self) -> Vec<(&str, &str)> {
        borrowed(&self.settings)
    }

    /// A node that is connected at `path`.
    pub async fn node(&self, path: &str) -> Node {
        ready(&self.ingest).await;
        Node::connect(self.ingest.address(), path).await
    }

    /// Waits until ws-ingest has received `messages` in all, and all of them have come to rest;
    /// then the conservation law must hold, and what is derived must be what is there. Returns how
    /// many are stored.
    pub async fn settle(&self, messages: i64) -> i64 {
        let ingest_metrics = async || self.ingest.get("/metrics").await.text();
        eventually("all messages are read", || async {
            let text = ingest_metrics().await;
            (metric(&text, "ingest_received_messages_total") >= messages).then_some(())
        })
        .await;
        // In another answer, since the figures of one are read one after the other.
        let ingest = eventually("all messages are handed over", || async {
            let text = ingest_metrics().await;
            (metric(&text, "ingest_in_flight_messages") == 0).then_some(text)
        })
        .await;
        let flush = eventually("the queue is empty", || async {
            let text = self.flush.get("/metrics").await.text();
            let at_rest = metric(&text, "flush_figures_current") == 1
                && metric(&text, "queue_messages") == 0
                && metric(&text, "queue_bytes") == 0;
            at_rest.then_some(text)
        })
        .await;
        let received = metric(&ingest, "ingest_received_messages_total");
        let rejected = metric(&ingest, "ingest_rejected_messages_total");
        let dropped = metric(&ingest, "ingest_dropped_messages_total");
        let stored = metric(&flush, "database_stored_messages");
        let refused = metric(&flush, "database_rejected_messages");
        assert_eq!(
            received,
            stored + rejected + refused + dropped,
            "received = stored {stored} + rejected {rejected} and {refused} + dropped {dropped}"
        );
        assert_eq!(received, messages, "as many were received as were sent");
        let owner = self.database.owner().await;
        let rows = owner.query_one("SELECT count(*) FROM tetcore_logs", &[]).await.unwrap();
        assert_eq!(rows.get::<_, i64>(0), stored, "what is counted is there");
        self.database.assert_derived().await;
        stored
    }
}

fn start_flush(database: &Database, settings: &[(String, String)]) -> Function {
    let url = database.url("tetcore_flush");
    let mut all = vec![("DATABASE_URL", url.as_str())];
    all.extend(borrowed(settings));
    Function::start("batch-flush", &all)
}

fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
