//! What is asked: each route, with default and with worst-case parameters.

use super::{
    history::{EVENTS, History, NODES, TYPES},
    old::{self, Old},
};

/// One question, again and again about another node.
pub(crate) struct Question {
    pub(crate) function: &'static str,
    /// With places for [`History::about`].
    pub(crate) path: &'static str,
    pub(crate) gzip: bool,
    /// Whether reports must be of the last minute.
    pub(crate) fresh: bool,
    /// Whether it is asked again while messages come.
    pub(crate) busy: bool,
    /// Rows of a page, at most.
    pub(crate) limit: u64,
    /// Rows of all pages.
    pub(crate) all: fn(&History) -> u64,
    pub(crate) old: Option<Old>,
}

impl Question {
    /// How it is called.
    pub(crate) fn name(&self) -> String {
        let gzip = if self.gzip { ", gzip" } else { "" };
        format!("{}{gzip}", self.path)
    }

    /// Rows of the first page, at most.
    pub(crate) fn rows(&self, history: &History) -> u64 {
        (self.all)(history).min(self.limit)
    }

    fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    fn busy(mut self) -> Self {
        self.busy = true;
        self
    }

    fn old(mut self, old: Old) -> Self {
        self.old = Some(old);
        self
    }
}

fn ask(
    function: &'static str,
    path: &'static str,
    limit: u64,
    all: fn(&History) -> u64,
) -> Question {
    let (gzip, fresh, busy, old) = (false, false, false, None);
    Question { function, path, gzip, fresh, busy, limit, all, old }
}

/// Every route of every query function.
pub(crate) fn all() -> Vec<Question> {
    [nodes(), logs(), log_stats(), reputation(), stats(), benchmarks()]
        .into_iter()
        .flatten()
        .collect()
}

fn nodes() -> Vec<Question> {
    let nodes = |path, limit, all| ask("query-nodes", path, limit, all);
    vec![
        nodes("/nodes", 1000, |_| NODES).busy().old(old::nodes("", 1000)),
        nodes("/nodes?limit=10000", 10_000, |_| NODES).old(old::nodes("", 10_000)),
        nodes("/nodes?limit=10000", 10_000, |_| NODES).gzip(),
        nodes("/nodes?limit=10000&format=csv", 10_000, |_| NODES),
        nodes("/nodes?chain=Chain+3", 1000, |_| NODES / 4)
            .old(old::nodes("AND chain = 'Chain 3'", 1000)),
        nodes("/nodes?name=node-{number}", 1000, |_| 1)
            .busy()
            .old(old::nodes("AND name = 'node-{number}'", 1000)),
        nodes("/nodes?chain=absent", 1000, |_| 0).old(old::nodes("AND chain = 'absent'", 1000)),
    ]
}

fn logs() -> Vec<Question> {
    let logs = |path, limit, all| ask("query-node-logs", path, limit, all);
    vec![
        logs("/nodes/logs?peer_id={peer}", 100, History::messages_each)
            .busy()
            .old(old::logs("", 100)),
        logs("/nodes/logs?peer_id={peer}&limit=10000", 10_000, History::messages_each)
            .busy()
            .old(old::logs("", 10_000)),
        logs("/nodes/logs?peer_id={peer}&limit=10000", 10_000, History::messages_each).gzip(),
        logs(
            "/nodes/logs?peer_id={peer}&limit=10000&format=ndjson",
            10_000,
            History::messages_each,
        ),
        logs("/nodes/logs?peer_id={peer}&limit=10000&format=csv", 10_000, History::messages_each),
        logs("/nodes/logs?peer_id={peer}&msg=system.interval", 100, |history| 20 * history.rounds)
            .old(old::logs("AND logs ->> 'msg' = 'system.interval'", 100)),
        logs("/nodes/logs?peer_id={peer}&msg=slots.err_with_block_built_on", 100, |_| 1)
            .busy()
            .old(old::logs("AND logs ->> 'msg' = 'slots.err_with_block_built_on'", 100)),
        logs("/nodes/logs?peer_id={peer}&msg=absent", 100, |_| 0)
            .busy()
            .old(old::logs("AND logs ->> 'msg' = 'absent'", 100)),
        logs("/nodes/logs?peer_id={peer}&target=pallet_7", 100, |history| history.rounds)
            .old(old::logs("AND logs ->> 'target' = 'pallet_7'", 100)),
        logs("/nodes/logs?peer_id={peer}&target=absent", 100, |_| 0)
            .old(old::logs("AND logs ->> 'target' = 'absent'", 100)),
        logs("/nodes/logs?peer_id={peer}&msg=tracing.profiling&target=pallet_7", 100, |history| {
            history.rounds
        })
        .old(old::logs(
            "AND logs ->> 'msg' = 'tracing.profiling' AND logs ->> 'target' = 'pallet_7'",
            100,
        )),
        logs(
            "/nodes/logs?peer_id={peer}&start_time={from}&end_time={to}&limit=10000",
            10_000,
            |history| 10 * history.rounds,
        )
        .old(old::logs("AND substrate_logs.created_at BETWEEN '{from}' AND '{to}'", 10_000)),
        logs("/nodes/logs?peer_id=absent", 100, |_| 0),
    ]
}

fn log_stats() -> Vec<Question> {
    let path = "/nodes/log_stats?peer_id={peer}";
    vec![ask("query-log-stats", path, 1000, |_| TYPES).busy().old(old::log_stats())]
}

fn reputation() -> Vec<Question> {
    const MINUTE: &str =
        "AND substrate_logs.created_at >= now() AT TIME ZONE 'UTC' - interval '60 s'";
    let peer = |path, limit| ask("query-peer-reputation", path, limit, |_| 75);
    let logged = |path, limit| ask("query-logged-reputation", path, limit, |_| NODES);
    let every = |path, limit| ask("query-all-reputation", path, limit, |_| NODES);
    vec![
        peer("/reputation/{peer}", 100).fresh().busy().old(old::reputation(
            &format!("{MINUTE} AND {} ? '{{peer}}'", old::NODES),
            "entry.key = '{peer}'",
            100,
        )),
        peer("/reputation/{peer}?max_age_s=1000000000&limit=10000", 10_000).old(old::reputation(
            &format!("AND {} ? '{{peer}}'", old::NODES),
            "entry.key = '{peer}'",
            10_000,
        )),
        logged("/reputation/logged", 100).fresh().busy().old(old::reputation(
            MINUTE,
            "entry.key IN (SELECT peer_id FROM peer_connections)",
            100,
        )),
        logged("/reputation/logged?max_age_s=1000000000&limit=10000", 10_000),
        every("/reputation", 100).fresh().busy().old(old::reputation(MINUTE, "true", 100)),
        every("/reputation?max_age_s=1000000000&limit=10000", 10_000)
            .old(old::reputation("", "true", 10_000)),
        every("/reputation?max_age_s=1000000000&limit=10000", 10_000).gzip(),
        every("/reputation?max_age_s=1000000000&limit=10000&format=csv", 10_000),
    ]
}

fn stats() -> Vec<Question> {
    let stats = |path, all| ask("query-db-stats", path, u64::MAX, all);
    vec![
        stats("/stats/db", |history| history.relations).busy().old(old::sizes()),
        stats("/stats/version", |_| 1),
        stats("/stats/openapi.json", |_| 1),
    ]
}

fn benchmarks() -> Vec<Question> {
    let runs = |path, limit, all| ask("benchmarks", path, limit, all);
    let targets = |path, from, to| {
        let times = format!("created_at BETWEEN {from} AND {to}");
        runs(path, 1000, |_| 20).busy().old(old::targets(&times))
    };
    vec![
        ask("host-systems", "/host_systems", 1000, |_| EVENTS),
        ask("host-systems", "/host_systems?limit=10000", 10_000, |_| EVENTS),
        runs("/benchmarks", 1000, |_| EVENTS),
        runs("/benchmarks?limit=10000", 10_000, |_| EVENTS),
        runs("/benchmarks/1/events", 1000, |_| EVENTS),
        targets("/benchmarks/1/targets", "timestamp '-infinity'", "timestamp 'infinity'"),
        targets(
            "/benchmarks/2/targets",
            "timestamp '{to}' - interval '30 min'",
            "timestamp '{to}' + interval '30 min'",
        ),
    ]
}
