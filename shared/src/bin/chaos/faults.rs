//! What may happen to each part.

use std::time::Duration;

use shared::testing::Rng;

/// A part of the system that has at most one fault at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Ingest,
    Flush,
    Redis,
    Postgres,
    Purge,
    Nodes,
}

/// A fault, and how it is called.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fault {
    IngestKilled,
    IngestReplaced,
    IngestFrozen,
    FlushKilled,
    FlushReplaced,
    FlushFrozen,
    FlushFrozenForLong,
    RedisKilled,
    RedisFrozen,
    RedisCut,
    PostgresCrashed,
    PostgresRestarted,
    BackendsTerminated,
    TableLocked,
    PurgeKilled,
    NodesCut,
}

impl Fault {
    pub(crate) const ALL: [Self; 16] = [
        Self::IngestKilled,
        Self::IngestReplaced,
        Self::IngestFrozen,
        Self::FlushKilled,
        Self::FlushReplaced,
        Self::FlushFrozen,
        Self::FlushFrozenForLong,
        Self::RedisKilled,
        Self::RedisFrozen,
        Self::RedisCut,
        Self::PostgresCrashed,
        Self::PostgresRestarted,
        Self::BackendsTerminated,
        Self::TableLocked,
        Self::PurgeKilled,
        Self::NodesCut,
    ];

    pub(crate) fn part(self) -> Part {
        match self {
            Self::IngestKilled | Self::IngestReplaced | Self::IngestFrozen => Part::Ingest,
            Self::FlushKilled
            | Self::FlushReplaced
            | Self::FlushFrozen
            | Self::FlushFrozenForLong => Part::Flush,
            Self::RedisKilled | Self::RedisFrozen | Self::RedisCut => Part::Redis,
            Self::PostgresCrashed
            | Self::PostgresRestarted
            | Self::BackendsTerminated
            | Self::TableLocked => Part::Postgres,
            Self::PurgeKilled => Part::Purge,
            Self::NodesCut => Part::Nodes,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IngestKilled => "ws-ingest killed",
            Self::IngestReplaced => "ws-ingest replaced (SIGTERM)",
            Self::IngestFrozen => "ws-ingest frozen",
            Self::FlushKilled => "batch-flush killed",
            Self::FlushReplaced => "batch-flush replaced (SIGTERM)",
            Self::FlushFrozen => "batch-flush frozen",
            Self::FlushFrozenForLong => "batch-flush frozen until its claims expired",
            Self::RedisKilled => "Redis killed",
            Self::RedisFrozen => "Redis frozen",
            Self::RedisCut => "Redis connections cut",
            Self::PostgresCrashed => "PostgreSQL crashed",
            Self::PostgresRestarted => "PostgreSQL restarted",
            Self::BackendsTerminated => "PostgreSQL backends terminated",
            Self::TableLocked => "a table locked",
            Self::PurgeKilled => "purge-job killed",
            Self::NodesCut => "nodes cut off",
        }
    }
}

/// One or two faults at once.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Strike {
    pub(crate) faults: Vec<Fault>,
    /// Whom they hit where there are two.
    pub(crate) which: usize,
    /// How long they last.
    pub(crate) hold: Duration,
    /// Before the next.
    pub(crate) pause: Duration,
}

/// Every fault once, in random order, and then again; some are left out of a short run.
pub(crate) struct Plan {
    rng: Rng,
    is_short: bool,
    next: Vec<Fault>,
}

impl Plan {
    pub(crate) fn new(seed: u64, is_short: bool) -> Self {
        Self { rng: Rng::new(seed, 0), is_short, next: Vec::new() }
    }

    /// What happens next.
    pub(crate) fn next(&mut self) -> Strike {
        let mut faults: Vec<Fault> = self.draw().into_iter().collect();
        if self.rng.below(3) == 0
            && let Some(second) = self.draw()
        {
            if faults.iter().all(|first| first.part() != second.part()) {
                faults.push(second);
            } else {
                self.next.push(second);
            }
        }
        // PostgreSQL last, since it is asked before Redis is killed.
        faults.sort();
        let which = self.rng.pick(&[0, 1]);
        let hold = if faults.contains(&Fault::FlushFrozenForLong) {
            self.rng.millis(16_000..20_000)
        } else {
            self.rng.millis(20..2500)
        };
        let pause = self.rng.millis(200..1500);
        Strike { faults, which, hold, pause }
    }

    fn draw(&mut self) -> Option<Fault> {
        if self.next.is_empty() {
            let fits = |fault: &Fault| !self.is_short || *fault != Fault::FlushFrozenForLong;
            let mut rest: Vec<Fault> = Fault::ALL.into_iter().filter(fits).collect();
            while !rest.is_empty() {
                let index = self.rng.below(rest.len() as u64);
                self.next.push(rest.swap_remove(usize::try_from(index).unwrap_or(0)));
            }
        }
        self.next.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_each_of_them_comes() {
        let run = |seed| {
            let mut plan = Plan::new(seed, false);
            (0..40).map(|_| plan.next()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let faults: BTreeSet<Fault> = run(1).into_iter().flat_map(|strike| strike.faults).collect();
        assert_eq!(faults.len(), Fault::ALL.len());
        for Strike { faults, .. } in run(3) {
            assert!(
                matches!(faults[..], [_]) || faults[0].part() != faults[1].part(),
                "{faults:?}"
            );
        }
    }
}
