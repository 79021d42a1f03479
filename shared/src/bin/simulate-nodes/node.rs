//! Who sends, and the script that each node follows.

use shared::testing::Rng;

use crate::{
    catalogue::{self, Catalogue, Kind},
    slot::{Scene, Slot},
    template::{Field, Template, Value},
};

const FIRST_NAMES: [&str; 26] = [
    "alice", "bob", "charlie", "dave", "eve", "ferdie", "grace", "heidi", "ivan", "judy", "karl",
    "lena", "mallory", "nina", "oscar", "peggy", "quinn", "rupert", "sybil", "trent", "ursula",
    "victor", "wendy", "xavier", "yvonne", "zoe",
];
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const UTC_OFFSETS_MINUTES: [i16; 5] = [0, 0, 60, -300, 330];
const LONGEST_UPTIME_MILLIS: u64 = 30 * 86_400_000;
/// Once the envelope's ids were those of tracing spans.
const FIRST_SPAN_ID: u64 = 2_251_799_813_685_249;

/// The form of a node's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// V1: flat, with a newline after it.
    Flat,
    /// V2 with its keys in alphabetical order.
    Sorted,
    /// V2 with its keys in the order in which they were added.
    Inserted,
}

pub(crate) fn peer_id(seed: u64, number: usize, dialect: Dialect) -> String {
    let prefix = match dialect {
        Dialect::Flat => "Qm",
        Dialect::Sorted | Dialect::Inserted => "12D3KooW",
    };
    let unique = Rng::new(seed, number as u64).text(BASE58, 44);
    format!("{prefix}{unique}")
}

/// One node: with its number and the seed, everything it ever sends is decided, but for the time.
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) envelope_id: u64,
    pub(crate) startup_millis: u64,
    pub(crate) utc_offset_minutes: i16,
    /// Number of the latest message, from 1; it goes on over reconnects.
    pub(crate) sequence: u64,
    /// Messages since `system.connected`.
    step: usize,
    seed: u64,
}

impl Node {
    /// `position` counts the nodes of one socket.
    pub(crate) fn new(
        number: usize,
        position: usize,
        dialect: Dialect,
        seed: u64,
        now_millis: u64,
    ) -> Self {
        let seed = Rng::new(seed, number as u64).bits();
        let mut traits = Rng::new(seed, 0);
        let first_id = match dialect {
            Dialect::Inserted => FIRST_SPAN_ID,
            Dialect::Flat | Dialect::Sorted => 1,
        };
        Self {
            number,
            envelope_id: first_id + position as u64,
            startup_millis: now_millis - traits.below(LONGEST_UPTIME_MILLIS),
            utc_offset_minutes: traits.pick(&UTC_OFFSETS_MINUTES),
            sequence: 0,
            step: 0,
            seed,
        }
    }

    pub(crate) fn name(&self) -> String {
        let first_name = FIRST_NAMES[self.number % FIRST_NAMES.len()];
        format!("{first_name}-{:04}", self.number)
    }

    pub(crate) fn is_authority(&self) -> bool {
        self.number.is_multiple_of(4)
    }

    /// Starts the script over, as on a new connection, with `system.connected`.
    pub(crate) fn connect<'a>(&mut self, script: &'a Script) -> &'a Template {
        self.step = 0;
        &script.connected
    }

    pub(crate) fn next<'a>(&mut self, script: &'a Script) -> &'a Template {
        let template = script.at(self.step, self.number);
        self.step += 1;
        template
    }

    /// Appends the message as this node's next one.
    pub(crate) fn send(&mut self, template: &Template, scene: &Scene, out: &mut Vec<u8>) {
        self.sequence += 1;
        let mut rng = Rng::new(self.seed, self.sequence);
        template.compose(self, scene, &mut rng, out);
    }
}

/// All messages of a dialect, in the turn in which a node sends them.
pub(crate) struct Script {
    connected: Template,
    opening: Vec<Template>,
    round: Vec<Template>,
    occasional: Vec<Template>,
}

impl Script {
    pub(crate) fn new(dialect: Dialect, stamp: bool, payload_bytes: usize) -> Self {
        let Catalogue { connected, opening, round, occasional } = match dialect {
            Dialect::Flat => catalogue::V1,
            Dialect::Sorted | Dialect::Inserted => catalogue::V2,
        };
        let template = |kind: &Kind| numbered(*kind, dialect, stamp, payload_bytes);
        Self {
            connected: template(&connected),
            opening: opening.iter().map(template).collect(),
            round: round.iter().map(template).collect(),
            occasional: occasional.iter().map(template).collect(),
        }
    }

    /// Nodes differ in which occasional message they begin with.
    fn at(&self, step: usize, node_number: usize) -> &Template {
        let Some(step) = step.checked_sub(self.opening.len()) else {
            return &self.opening[step];
        };
        let rounds = step / (self.round.len() + 1);
        let within = step % (self.round.len() + 1);
        self.round
            .get(within)
            .unwrap_or_else(|| &self.occasional[(rounds + node_number) % self.occasional.len()])
    }
}

/// The message with what makes it countable: its number, when it was sent, and filler up to its size.
fn numbered(
    (msg, own_fields): Kind,
    dialect: Dialect,
    stamp: bool,
    payload_bytes: usize,
) -> Template {
    const SEQUENCE: Field = ("seq", Value::Plain(Slot::Sequence));
    const SENT: Field = ("sent_us", Value::Plain(Slot::SentMicros));
    let mut fields = own_fields.to_vec();
    fields.push(SEQUENCE);
    if stamp {
        fields.push(SENT);
    }
    let template = Template::new(dialect, msg, &fields);
    let missing = payload_bytes.saturating_sub(template.typical_len());
    if missing == 0 {
        return template;
    }
    fields.push(("padding", Value::Quoted(Slot::Padding(missing))));
    Template::new(dialect, msg, &fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOS: u64 = 1_795_336_053_575_561_215;

    /// The first messages of a node, as text.
    fn messages(number: usize, dialect: Dialect, seed: u64) -> Vec<String> {
        let script = Script::new(dialect, true, 0);
        let peers: Vec<_> = (0..12).map(|number| peer_id(seed, number, dialect)).collect();
        let scene = Scene::at(NANOS, &peers);
        let mut node = Node::new(number, 0, dialect, seed, NANOS / 1_000_000);
        let mut messages = Vec::new();
        let mut add = |node: &mut Node, template: &Template| {
            let mut out = Vec::new();
            node.send(template, &scene, &mut out);
            messages.push(String::from_utf8_lossy(&out).into_owned());
        };
        let connected = node.connect(&script);
        add(&mut node, connected);
        for _ in 0..100 {
            let template = node.next(&script);
            add(&mut node, template);
        }
        messages
    }

    #[test]
    fn every_message_is_a_json_object() {
        for dialect in [Dialect::Flat, Dialect::Sorted, Dialect::Inserted] {
            for text in messages(3, dialect, 1) {
                let message: Result<serde_json::Value, _> = serde_json::from_str(&text);
                assert!(message.is_ok_and(|message| message.is_object()), "{text}");
            }
        }
    }

    #[test]
    fn number_and_seed_decide_everything() {
        for dialect in [Dialect::Flat, Dialect::Sorted, Dialect::Inserted] {
            let alice = messages(0, dialect, 1);
            assert_eq!(alice, messages(0, dialect, 1));
            assert_ne!(alice, messages(1, dialect, 1));
            assert_ne!(alice, messages(0, dialect, 2));
        }
    }

    #[test]
    fn names_and_peer_ids_are_distinct() {
        let names = (0..100).map(|number| Node::new(number, 0, Dialect::Sorted, 1, NANOS).name());
        let peers = (0..100).map(|number| peer_id(1, number, Dialect::Sorted));
        let distinct: std::collections::HashSet<_> = names.chain(peers).collect();
        assert_eq!(distinct.len(), 200);
        assert!(distinct.contains("alice-0000") && distinct.contains("bob-0027"));
    }
}
