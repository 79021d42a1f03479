//! The command line.

use clap::Parser;

use crate::{endpoint::Endpoint, pace::Speed};

/// Simulates the telemetry of blockchain nodes.
///
/// The nodes behave as real ones do on the wire: they never read, and they come back some time after a write
/// fails. Every message carries `seq`, its number within its node.
#[derive(Parser, Clone, Debug)]
pub(crate) struct Options {
    /// Where to send, as one would tell a node: `ws://host:port/path`
    #[arg(long)]
    pub(crate) url: Endpoint,

    /// How many nodes to simulate
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) nodes: u32,

    /// Messages per second of all nodes together; 0: as fast as possible [default: 6 every 5 to 6 s from each]
    #[arg(long, value_parser = not_negative)]
    pub(crate) rate: Option<f64>,

    /// Stop after exactly so many messages in all
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// Stop after so many seconds
    #[arg(long, value_parser = not_negative)]
    pub(crate) duration: Option<f64>,

    /// How many nodes in a hundred are old ones that send V1 messages, each on a socket of its own
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=100))]
    pub(crate) v1_percent: u32,

    /// How many V2 nodes share a socket
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) nodes_per_socket: u32,

    /// Pad messages to about this size
    #[arg(long, default_value_t = 0)]
    pub(crate) payload_bytes: usize,

    /// Add `sent_us` to every message: when it was handed to the socket, in microseconds since 1970
    #[arg(long)]
    pub(crate) stamp: bool,

    /// Nodes with the same number and seed have the same identity and send the same
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Multiplies the times of real nodes: 5 to 6 s between messages, 10 to 19 s before a reconnect
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub(crate) time_scale: f64,

    /// Print the summary as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Options {
    pub(crate) fn speed(&self) -> Speed {
        match self.rate {
            None => Speed::Lifelike { time_scale: self.time_scale },
            Some(0.0) => Speed::FlatOut,
            Some(rate) => Speed::Even(rate),
        }
    }
}

fn not_negative(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(number) if (0.0..=1e9).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1e9"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        let fixed = ["simulate-nodes", "--url", "ws://127.0.0.1:8080/"];
        Options::try_parse_from(fixed.iter().chain(arguments))
    }

    #[test]
    fn the_rate_decides_the_speed() {
        for (arguments, expected) in [
            (&[][..], Speed::Lifelike { time_scale: 1.0 }),
            (&["--time-scale", "0.1"], Speed::Lifelike { time_scale: 0.1 }),
            (&["--rate", "0"], Speed::FlatOut),
            (&["--rate", "2000"], Speed::Even(2000.0)),
        ] {
            assert_eq!(parse(arguments).ok().map(|options| options.speed()), Some(expected));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            ["--nodes", "0"],
            ["--messages", "0"],
            ["--rate", "-1"],
            ["--duration", "NaN"],
            ["--v1-percent", "101"],
            ["--nodes-per-socket", "0"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
    }
}
