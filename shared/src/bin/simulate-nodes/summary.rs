//! What a run came to.

use std::{fmt, fs, sync::atomic::Ordering::Relaxed, time::Duration};

use crate::tally::Tally;

/// Linux counts a process's CPU time for users in hundredths of a second, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) reconnects: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    bytes: u64,
    sockets: usize,
    /// Until the last message was written.
    seconds: f64,
    /// From then until the server had read all and closed.
    drain_seconds: f64,
    /// Not known outside Linux.
    cpu_seconds: Option<f64>,
    /// The `--messages` asked for.
    wanted: Option<u64>,
}

impl Summary {
    pub(crate) fn new(
        tally: &Tally,
        sockets: usize,
        wanted: Option<u64>,
        sending: Duration,
        draining: Duration,
    ) -> Self {
        Self {
            sent: tally.sent.load(Relaxed),
            reconnects: tally.reconnects.load(Relaxed),
            refused: tally.refused.load(Relaxed),
            failed: tally.failed.load(Relaxed),
            bytes: tally.bytes.load(Relaxed),
            sockets,
            seconds: sending.as_secs_f64(),
            drain_seconds: draining.as_secs_f64(),
            cpu_seconds: cpu_seconds(),
            wanted,
        }
    }

    /// Whether the number of messages asked for, if any, was sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.wanted.is_none_or(|wanted| wanted == self.sent)
    }

    #[allow(clippy::cast_precision_loss)] // a figure to look at
    fn rate(&self) -> f64 {
        self.sent as f64 / self.seconds
    }

    /// One line, all numbers.
    pub(crate) fn json(&self) -> String {
        let Self {
            sent, reconnects, refused, failed, bytes, sockets, seconds, drain_seconds, ..
        } = self;
        let cpu = self.cpu_seconds.map_or("null".to_owned(), |seconds| format!("{seconds:.2}"));
        let rate = self.rate();
        format!(
            "{{\"sent\":{sent},\"bytes\":{bytes},\"sockets\":{sockets},\"reconnects\":{reconnects},\
             \"refused\":{refused},\"failed\":{failed},\"seconds\":{seconds:.3},\
             \"drain_seconds\":{drain_seconds:.3},\"cpu_seconds\":{cpu},\"rate\":{rate:.1}}}"
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "sent {} messages ({} bytes) over {} sockets in {:.1} s: {:.0}/s",
            self.sent,
            self.bytes,
            self.sockets,
            self.seconds,
            self.rate(),
        )?;
        write!(
            f,
            "; {} reconnects, {} refused, {} messages failed",
            self.reconnects, self.refused, self.failed
        )?;
        match self.cpu_seconds {
            Some(seconds) => write!(f, "; {seconds:.2} CPU s"),
            None => Ok(()),
        }
    }
}

/// User and system time of this process.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The fields are counted from behind the command, which can hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(f64::from(user + system) / TICKS_PER_SECOND)
}
