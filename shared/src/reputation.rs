//! What a node says of the peers that it knows: the reputations in its network state.

use crate::{
    message::{Members, members},
    row::node_id,
};

/// The type of the messages that hold a network state.
pub const NETWORK_STATE: &str = "system.network_state";

/// A network state's peers, side by side in the order of their peer ids.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// [`node_id`] of each peer.
    pub remote_ids: Vec<i64>,
    /// Their peer ids.
    pub remote_peers: Vec<String>,
    /// What the reporting node thinks of each.
    pub reputations: Vec<i64>,
    /// Whether it was connected to each.
    pub connected: Vec<bool>,
}

/// Reads a message of the type [`NETWORK_STATE`]: nothing where it has no object of peers.
/// Entries whose reputation is no whole number of 64 bits, or whose `connected` is no boolean, are
/// left out. The database has a function `read_reputations` of the same result.
#[must_use]
pub fn read(logs: &[u8]) -> Option<Report> {
    let logs = members(std::str::from_utf8(logs).ok()?)?;
    let nodes = ["state", "network_state"].into_iter().find_map(|key| {
        let state = members(logs.get(key)?.get())?;
        let peerset = members(state.get("peerset")?.get())?;
        members(peerset.get("nodes")?.get())
    })?;
    let mut entries: Vec<_> = nodes
        .into_iter()
        .filter_map(|(peer, entry)| {
            let (reputation, connected) = reputation(&members(entry.get())?)?;
            Some((peer, reputation, connected))
        })
        .collect();
    entries.sort_unstable();
    let mut report = Report::default();
    for (peer, reputation, connected) in entries {
        report.remote_ids.push(node_id(&peer));
        report.remote_peers.push(peer.into_owned());
        report.reputations.push(reputation);
        report.connected.push(connected);
    }
    Some(report)
}

fn reputation(entry: &Members<'_>) -> Option<(i64, bool)> {
    let connected = match entry.get("connected")?.get() {
        "true" => true,
        "false" => false,
        _ => return None,
    };
    Some((whole_number(entry.get("reputation")?.get())?, connected))
}

/// A number of 64 bits, however it is written: `1e3` and `1.0` are whole.
fn whole_number(json: &str) -> Option<i64> {
    if let Ok(number) = json.parse() {
        return Some(number);
    }
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if matches!(significant, "" | "-") {
        return Some(0);
    }
    let exponent = exponent.parse::<i64>().ok()?;
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?.checked_add(exponent)?
        - i64::try_from(fraction.len()).ok()?;
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros < 19)?;
    format!("{significant}{}", "0".repeat(zeros)).parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_64_bits_are_read_however_they_are_written() {
        for (json, number) in [
            ("0", 0),
            ("-0", 0),
            ("0.0", 0),
            ("0e9999999999999999999999", 0),
            ("-2147483648", -2_147_483_648),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("1e3", 1000),
            ("12.50E+1", 125),
            ("1200e-2", 12),
            ("0.001e3", 1),
            ("9.223372036854775807e18", i64::MAX),
        ] {
            assert_eq!(whole_number(json), Some(number), "{json}");
        }
        for json in [
            "0.5",
            "15e-1",
            "1e19",
            "9223372036854775808",
            "-9223372036854775809",
            "1e9223372036854775807",
            "1e-99999999999999999999",
            "\"1\"",
            "null",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(whole_number(json), None, "{json}");
        }
    }

    #[test]
    fn peers_come_in_order_and_of_repeated_keys_the_last_counts() {
        let logs = br#"{"state": 1, "network_state": {"peerset": {"nodes": {
            "b": {"reputation": 1, "connected": true},
            "a": {"reputation": 2, "connected": true, "reputation": -3},
            "b": {"reputation": 4, "connected": false},
            "c": {"reputation": 5},
            "d": [],
            "\u0065": {"reputation": 6.0, "connected": true}
        }}}}"#;
        let report = read(logs).unwrap();
        assert_eq!(report.remote_peers, ["a", "b", "e"]);
        assert_eq!(report.remote_ids, ["a", "b", "e"].map(node_id));
        assert_eq!(report.reputations, [-3, 4, 6]);
        assert_eq!(report.connected, [true, false, true]);
    }

    #[test]
    fn only_an_object_of_peers_is_a_report() {
        let empty = br#"{"state":{"peerset":{"nodes":{}}}}"#;
        assert_eq!(read(empty), Some(Report::default()));
        for logs in [
            r#"{"state":{"peerset":{"nodes":[]}}}"#,
            r#"{"state":{"peerset":{"nodes":null}}}"#,
            r#"{"state":{"peerset":[]}}"#,
            r#"{"state":"peerset"}"#,
            "{}",
        ] {
            assert_eq!(read(logs.as_bytes()), None, "{logs}");
        }
    }
}
