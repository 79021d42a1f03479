//! Every metric of every function, one struct a stage, and the text that `/metrics` answers.
//!
//! The conservation law holds at any moment of rest, and over a set of scrapes when everything
//! has come to rest: received = stored + rejected + dropped + in flight (see `ARCHITECTURE.md`).

pub use prometheus::IntCounterVec;
use prometheus::{Encoder as _, IntCounter, IntGauge, Registry, TextEncoder, opts};

/// The metrics of one process.
#[derive(Clone, Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory fails only for a family without metrics, which is not gathered.
        if let Err(error) = TextEncoder::new().encode(&self.0.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        let metric = IntCounter::new(name, help);
        self.register(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        let metric = IntGauge::new(name, help);
        self.register(metric)
    }

    /// Counters by `label`. Those of its `known` values are there from the start, at 0, so that a
    /// rate over time sees the first of each.
    fn counters(&self, name: &str, help: &str, label: &str, known: &[&str]) -> IntCounterVec {
        let metric = self.register(IntCounterVec::new(opts!(name, help), &[label]));
        for value in known {
            metric.with_label_values(&[value]);
        }
        metric
    }

    /// Names are constants of this file, so a bad or repeated one fails the first start.
    #[expect(clippy::panic, reason = "a mistake in this file, not in any input")]
    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: prometheus::Result<M>,
    ) -> M {
        metric
            .and_then(|metric| self.0.register(Box::new(metric.clone())).map(|()| metric))
            .unwrap_or_else(|error| panic!("metric: {error}"))
    }
}

/// Why ws-ingest stores a message not: `message::Reject`, and what is found beside the text.
const REJECT_REASONS: [&str; 8] = [
    "invalid_utf8",
    "lone_surrogate",
    "nested_too_deep",
    "not_an_object",
    "not_json",
    "number_out_of_range",
    "too_large",
    "too_many_nodes",
];
/// Why ws-ingest lets nobody in.
const REFUSAL_REASONS: [&str; 10] = [
    "bad_handshake",
    "bad_request",
    "handshake_timeout",
    "max_connections",
    "max_connections_per_ip",
    "max_pending_connections",
    "not_ready",
    "path",
    "proxy_header",
    "token",
];
/// Why a connection of ws-ingest ended.
const CLOSE_REASONS: [&str; 10] = [
    "client_close",
    "eof",
    "max_bytes_per_second",
    "pongs_unread",
    "protocol",
    "reset",
    "shutdown",
    "timeout",
    "too_large",
    "unfinished_messages",
];
/// Why live-feed ended a connection.
const FEED_CLOSE_REASONS: [&str; 7] =
    ["cache_away", "client_close", "lag", "protocol", "shutdown", "timeout", "too_large"];

/// ws-ingest: from the socket to Redis.
#[derive(Clone)]
pub struct Ingest {
    /// Complete messages that were read.
    pub received: IntCounter,
    /// Messages that cannot be stored, by reason.
    pub rejected: IntCounterVec,
    /// Messages lost for want of room, by reason.
    pub dropped: IntCounterVec,
    /// Samples of rejected messages lost for want of room.
    pub dropped_samples: IntCounter,
    /// Messages that were handed to Redis.
    pub queued: IntCounter,
    /// Messages read, but not yet in Redis.
    pub in_flight: IntGauge,
    /// Bytes of messages read, but not yet in Redis.
    pub in_flight_bytes: IntGauge,
    /// Bytes that may be in flight.
    pub in_flight_limit: IntGauge,
    /// Bytes that the queue may fill.
    pub queue_limit: IntGauge,
    /// Connections that may be open; 0 for no limit.
    pub connections_limit: IntGauge,
    /// Bytes of WebSocket payload that were read.
    pub received_bytes: IntCounter,
    /// Messages whose `\u0000` was replaced so that they could be stored.
    pub repaired: IntCounter,
    /// Messages stored with the time of receipt, by what was wrong with their own.
    pub clock_replaced: IntCounterVec,
    /// Open WebSocket connections.
    pub connections: IntGauge,
    /// WebSocket connections opened.
    pub connections_opened: IntCounter,
    /// WebSocket connections closed, by reason.
    pub connections_closed: IntCounterVec,
    /// Connections or handshakes that were refused, by reason.
    pub refused: IntCounterVec,
    /// Envelopes that Redis did not take at the first try, by reason.
    pub push_retries: IntCounterVec,
}

impl Ingest {
    /// Registers the metrics of ws-ingest.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            received: metrics.counter("ingest_received_messages_total", "Complete messages read."),
            rejected: metrics.counters(
                "ingest_rejected_messages_total",
                "Messages that cannot be stored.",
                "reason",
                &REJECT_REASONS,
            ),
            dropped: metrics.counters(
                "ingest_dropped_messages_total",
                "Messages lost for want of room.",
                "reason",
                &["buffer_full", "no_id", "shutdown"],
            ),
            dropped_samples: metrics.counter(
                "ingest_dropped_samples_total",
                "Samples of rejected messages lost for want of room.",
            ),
            queued: metrics.counter("ingest_queued_messages_total", "Messages handed to Redis."),
            in_flight: metrics
                .gauge("ingest_in_flight_messages", "Messages read, but not yet in Redis."),
            in_flight_bytes: metrics
                .gauge("ingest_in_flight_bytes", "Bytes of messages read, but not yet in Redis."),
            in_flight_limit: metrics
                .gauge("ingest_in_flight_limit_bytes", "Bytes that may be in flight."),
            queue_limit: metrics
                .gauge("ingest_queue_limit_bytes", "Bytes in Redis that the queue may fill."),
            connections_limit: metrics.gauge(
                "ingest_connections_limit",
                "WebSocket connections that may be open, 0 for no limit.",
            ),
            received_bytes: metrics
                .counter("ingest_received_bytes_total", "Bytes of WebSocket payload read."),
            repaired: metrics.counter(
                "ingest_repaired_messages_total",
                "Messages whose \\u0000 was replaced so that they could be stored.",
            ),
            clock_replaced: metrics.counters(
                "ingest_clock_replaced_messages_total",
                "Messages stored with the time of receipt instead of their own.",
                "reason",
                &["ahead", "missing", "unreadable"],
            ),
            connections: metrics.gauge("ingest_connections", "Open WebSocket connections."),
            connections_opened: metrics
                .counter("ingest_connections_opened_total", "WebSocket connections opened."),
            connections_closed: metrics.counters(
                "ingest_connections_closed_total",
                "WebSocket connections closed.",
                "reason",
                &CLOSE_REASONS,
            ),
            refused: metrics.counters(
                "ingest_refused_connections_total",
                "Connections or handshakes refused.",
                "reason",
                &REFUSAL_REASONS,
            ),
            push_retries: metrics.counters(
                "ingest_push_retries_total",
                "Envelopes that Redis did not take at the first try.",
                "reason",
                &["error", "queue_full"],
            ),
        }
    }
}

/// batch-flush: from Redis to PostgreSQL.
#[derive(Clone)]
pub struct Flush {
    /// Messages stored since the database was made, whoever flushed them.
    pub stored: IntGauge,
    /// Messages that PostgreSQL refused since the database was made, whoever flushed them.
    pub rejected: IntGauge,
    /// Messages waiting in Redis, claimed ones included.
    pub queued: IntGauge,
    /// Bytes waiting in Redis, claimed ones included.
    pub queued_bytes: IntGauge,
    /// Seconds that the oldest message has been waiting in Redis.
    pub backlog_age: IntGauge,
    /// Seconds from now for which there are partitions.
    pub partitions_ahead: IntGauge,
    /// 1 where what is looked up rather than counted could be, just now; else 0, and those
    /// figures are old.
    pub looked_up: IntGauge,
    /// Envelopes that were in the database already.
    pub repeated: IntCounter,
    /// Envelopes that cannot be read and were set aside.
    pub unreadable: IntCounter,
    /// Claims of other flushers that were given back to the queue.
    pub rescued: IntCounter,
    /// Transactions, by result.
    pub transactions: IntCounterVec,
}

impl Flush {
    /// Registers the metrics of batch-flush.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            stored: metrics.gauge(
                "database_stored_messages",
                "Messages stored since the database was made, by all flushers together.",
            ),
            rejected: metrics.gauge(
                "database_rejected_messages",
                "Messages refused by PostgreSQL since the database was made, by all flushers.",
            ),
            queued: metrics
                .gauge("queue_messages", "Messages waiting in Redis, claimed ones included."),
            queued_bytes: metrics
                .gauge("queue_bytes", "Bytes waiting in Redis, claimed ones included."),
            backlog_age: metrics.gauge(
                "queue_oldest_seconds",
                "Seconds that the oldest waiting message has been in Redis.",
            ),
            partitions_ahead: metrics.gauge(
                "database_partitions_ahead_seconds",
                "Seconds from now for which there are partitions.",
            ),
            looked_up: metrics.gauge(
                "flush_figures_current",
                "1 where the database_ and queue_ figures are of this moment, 0 where they are \
                 old.",
            ),
            repeated: metrics.counter(
                "flush_repeated_envelopes_total",
                "Envelopes that were in the database already.",
            ),
            unreadable: metrics.counter(
                "flush_unreadable_envelopes_total",
                "Envelopes that cannot be read and were set aside in Redis.",
            ),
            rescued: metrics.counter(
                "flush_rescued_claims_total",
                "Claims of other flushers given back to the queue.",
            ),
            transactions: metrics.counters(
                "flush_transactions_total",
                "Transactions of the flush.",
                "result",
                &["committed", "failed"],
            ),
        }
    }
}

/// live-feed: from the cache to subscribers.
#[derive(Clone)]
pub struct Feed {
    /// Open WebSocket connections.
    pub subscribers: IntGauge,
    /// Subscriptions of all connections.
    pub subscriptions: IntGauge,
    /// Messages that were sent to subscribers.
    pub delivered: IntCounter,
    /// Connections that were closed, by reason.
    pub closed: IntCounterVec,
    /// 1 where this instance fills the cache.
    pub leading: IntGauge,
    /// Keys that it fills the cache for.
    pub lists: IntGauge,
    /// Times that PostgreSQL was asked for what was sent before somebody watched.
    pub past_reads: IntCounter,
}

impl Feed {
    /// Registers the metrics of live-feed.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            subscribers: metrics.gauge("feed_subscribers", "Open WebSocket connections."),
            subscriptions: metrics.gauge("feed_subscriptions", "Subscriptions of all connections."),
            delivered: metrics
                .counter("feed_delivered_messages_total", "Messages sent to subscribers."),
            closed: metrics.counters(
                "feed_closed_connections_total",
                "WebSocket connections closed by this side.",
                "reason",
                &FEED_CLOSE_REASONS,
            ),
            leading: metrics.gauge("feed_leading", "1 where this instance fills the cache."),
            lists: metrics.gauge("feed_lists", "Keys that this instance fills the cache for."),
            past_reads: metrics.counter(
                "feed_past_reads_total",
                "Times that PostgreSQL was asked for what was sent before somebody watched.",
            ),
        }
    }
}

/// purge-job: the last run.
#[derive(Clone)]
pub struct Purge {
    /// Runs, by result.
    pub runs: IntCounterVec,
    /// Rows of `tetcore_logs` that were removed.
    pub rows_removed: IntCounter,
    /// Runs of the compaction, by result.
    pub compactions: IntCounterVec,
    /// Rows that went into slices.
    pub messages_packed: IntCounter,
}

impl Purge {
    /// Registers the metrics of purge-job.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            runs: metrics.counters(
                "purge_runs_total",
                "Runs of the purge.",
                "result",
                &["failed", "incomplete", "ok"],
            ),
            rows_removed: metrics
                .counter("purge_removed_messages_total", "Expired messages removed."),
            compactions: metrics.counters(
                "compact_runs_total",
                "Runs of the compaction.",
                "result",
                &["failed", "incomplete", "ok"],
            ),
            messages_packed: metrics.counter(
                "compact_packed_messages_total",
                "Older messages packed into little room.",
            ),
        }
    }
}

/// Every function: the requests it answered.
#[derive(Clone)]
pub struct Http {
    /// Answers, by status.
    pub answers: IntCounterVec,
    /// 1 where the function had what it needs, when the metrics were asked for.
    pub ready: IntGauge,
}

impl Http {
    /// Registers the metrics of a function's HTTP server.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            answers: metrics.counters(
                "http_answers_total",
                "HTTP answers.",
                "status",
                &["200", "500", "503"],
            ),
            ready: metrics.gauge("http_ready", "1 where /readyz answers 200 just now, else 0."),
        }
    }
}
