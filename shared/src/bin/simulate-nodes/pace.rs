//! When messages are due.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use shared::testing::Rng;

/// What real nodes send every 5 to 6 seconds.
const MESSAGES_PER_ROUND: u64 = 6;
const ROUND_MILLIS: std::ops::Range<u64> = 5000..6000;
/// While dialling, a node's next step waits until it has something to send.
const SILENCE_MILLIS: std::ops::Range<u64> = 0..5000;
const LONGEST_PERIOD: Duration = Duration::from_hours(365 * 24);

/// The speed asked for, of all sockets together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    /// As real nodes do, with their times multiplied by `time_scale`.
    Lifelike {
        time_scale: f64,
    },
    /// Messages per second.
    Even(f64),
    FlatOut,
}

/// One socket's timetable.
pub(crate) enum Pace {
    Lifelike {
        time_scale: f64,
        nodes: u32,
        left_in_round: u64,
        next_round: Instant,
    },
    /// Late messages are made up for, so that a slow server is not asked for less.
    Even {
        period: Duration,
        /// Spreads the sockets over the period.
        phase: f64,
        next: Instant,
    },
    FlatOut,
}

impl Pace {
    pub(crate) fn new(speed: Speed, socket: u32, sockets: usize, nodes: usize) -> Self {
        let now = Instant::now();
        let [sockets, nodes] =
            [sockets, nodes].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        match speed {
            Speed::Lifelike { time_scale } => {
                Self::Lifelike { time_scale, nodes, left_in_round: 0, next_round: now }
            }
            Speed::Even(rate) => Self::Even {
                period: Duration::try_from_secs_f64(f64::from(sockets) / rate)
                    .unwrap_or(LONGEST_PERIOD)
                    .min(LONGEST_PERIOD),
                phase: f64::from(socket + 1) / f64::from(sockets),
                next: now,
            },
            Speed::FlatOut => Self::FlatOut,
        }
    }

    /// How long nothing happens between two steps of dialling.
    pub(crate) fn silence(&self, rng: &mut Rng) -> Duration {
        match self {
            Self::Lifelike { time_scale, .. } => rng.millis(SILENCE_MILLIS).mul_f64(*time_scale),
            Self::Even { .. } | Self::FlatOut => Duration::ZERO,
        }
    }

    /// Begins anew: what was due while there was no connection is gone.
    pub(crate) fn restart(&mut self) {
        let now = Instant::now();
        match self {
            Self::Lifelike { left_in_round, next_round, .. } => {
                *left_in_round = 0;
                *next_round = now;
            }
            Self::Even { period, phase, next } => *next = now + period.mul_f64(*phase),
            Self::FlatOut => {}
        }
    }

    /// Waits until messages are due; returns how many.
    pub(crate) async fn due(&mut self, rng: &mut Rng) -> u64 {
        match self {
            Self::Lifelike { time_scale, nodes, left_in_round, next_round } => {
                if *left_in_round == 0 {
                    sleep_until(*next_round).await;
                    *next_round += rng.millis(ROUND_MILLIS).mul_f64(*time_scale) / *nodes;
                    *left_in_round = MESSAGES_PER_ROUND;
                }
                1
            }
            Self::Even { period, next, .. } => {
                sleep_until(*next).await;
                let late = Instant::now().saturating_duration_since(*next);
                let missed = late.as_nanos() / period.as_nanos().max(1);
                1 + u64::try_from(missed).unwrap_or(u64::MAX - 1)
            }
            Self::FlatOut => {
                // A socket that could write all the time would keep the others from starting.
                yield_now().await;
                u64::MAX
            }
        }
    }

    /// Notes that `count` messages of those due were sent.
    pub(crate) fn sent(&mut self, count: u64) {
        match self {
            Self::Lifelike { left_in_round, .. } => {
                *left_in_round = left_in_round.saturating_sub(count);
            }
            Self::Even { period, next, .. } => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                *next += period.saturating_mul(count);
            }
            Self::FlatOut => {}
        }
    }
}
