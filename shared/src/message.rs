//! A telemetry message as a node sends it: tolerant of order and shape, strict about what
//! PostgreSQL's `jsonb` cannot hold.
//!
//! Two envelopes exist (sc-telemetry). V1, to early 2021, is one flat object,
//! `{"msg":…,"ts":…,…}`. V2 is `{"id":…,"ts":…,"payload":{"msg":…,…}}`, its keys in any order.
//! One pass over the bytes validates them and finds what is needed; nothing is built.

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, Datelike as _};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// How deep objects and arrays may nest. `serde_json`, which reads stored messages back, takes
/// no more; PostgreSQL would take some 12,000.
const MAX_DEPTH: u8 = 127;
/// Digits that PostgreSQL's `numeric` holds before the decimal point, and after it.
const MAX_INTEGER_DIGITS: i64 = 131_072;
const MAX_FRACTION_DIGITS: i64 = 16_383;
/// The longest identity taken from a node; a libp2p peer id has some 50 characters. PostgreSQL
/// could not index one of more than 2,700 bytes.
const MAX_PEER_ID: usize = 128;
/// The longest name, chain, version or implementation kept of a node, in bytes.
const MAX_LABEL: usize = 512;

/// Why a message cannot be stored.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Reject {
    /// Bytes that are not UTF-8.
    #[error("invalid_utf8")]
    InvalidUtf8,
    /// Text that is not JSON (RFC 8259).
    #[error("not_json")]
    NotJson,
    /// JSON, but no object.
    #[error("not_an_object")]
    NotAnObject,
    /// Half of a surrogate pair, as `\ud800`.
    #[error("lone_surrogate")]
    LoneSurrogate,
    /// A number that PostgreSQL's `numeric` cannot hold.
    #[error("number_out_of_range")]
    NumberOutOfRange,
    /// Nested deeper than 127 levels.
    #[error("nested_too_deep")]
    NestedTooDeep,
}

/// One message, borrowed from the bytes it was read into.
#[derive(Debug)]
pub struct Message<'a> {
    /// V2's `id`, which names a node within its connection.
    pub id: Option<u64>,
    /// The message's type, where it is a string.
    pub msg: Option<Cow<'a, str>>,
    /// The node's own time in microseconds since 1970, where `ts` can be read.
    pub sent_at: Option<i64>,
    /// Whether `ts` is there at all.
    pub has_ts: bool,
    /// What is stored.
    pub logs: Logs<'a>,
    /// Whether a `\u0000`, which PostgreSQL cannot hold, was replaced by U+FFFD.
    pub repaired: bool,
}

/// The object that is stored: V1's as it came, V2's payload with the envelope's `ts` added.
#[derive(Clone, Copy, Debug)]
pub struct Logs<'a> {
    object: &'a [u8],
    ts: Option<&'a [u8]>,
}

impl Logs<'_> {
    const TS: &'static [u8] = b"\"ts\":";

    /// Bytes that [`Logs::write`] appends.
    #[must_use]
    pub fn len(&self) -> usize {
        self.object.len()
            + self.ts.map_or(0, |ts| ts.len() + Self::TS.len() + usize::from(!self.is_empty()))
    }

    /// Whether the object has no member but an added `ts`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.object[1..self.object.len() - 1].trim_ascii().is_empty()
    }

    /// Appends the object's JSON text. Where V2's payload has a `ts` of its own, the envelope's
    /// comes last and so wins in `jsonb`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Some(ts) = self.ts else {
            return out.extend_from_slice(self.object);
        };
        out.extend_from_slice(&self.object[..self.object.len() - 1]);
        if !self.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(Self::TS);
        out.extend_from_slice(ts);
        out.push(b'}');
    }
}

/// Reads one message. `bytes` are changed only where a `\u0000` is repaired.
///
/// # Errors
/// The message cannot be stored.
pub fn parse(bytes: &mut [u8]) -> Result<Message<'_>, Reject> {
    if simdutf8::basic::from_utf8(bytes).is_err() {
        return Err(Reject::InvalidUtf8);
    }
    let mut scanner = Scanner { bytes, at: 0, repaired: false };
    let found = scanner.document()?;
    let repaired = scanner.repaired;
    let bytes: &[u8] = bytes;

    let ts = found.ts.map(|span| span.of(bytes));
    let (id, msg, logs) = match found.payload {
        Some(payload) if found.msg.is_none() => {
            (found.id, found.inner_msg, Logs { object: payload.of(bytes), ts })
        }
        _ => (None, found.msg, Logs { object: found.object.of(bytes), ts: None }),
    };
    Ok(Message {
        id: id.and_then(|span| std::str::from_utf8(span.of(bytes)).ok()?.parse().ok()),
        msg: msg.and_then(|span| string(span.of(bytes))),
        sent_at: ts.and_then(timestamp),
        has_ts: ts.is_some(),
        logs,
        repaired,
    })
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// The libp2p peer id.
    pub peer_id: String,
    /// The name that its operator gave it.
    pub name: Option<String>,
    /// The chain it follows.
    pub chain: Option<String>,
    /// The version of the node's program.
    pub version: Option<String>,
    /// Whether it is an authority of its chain.
    pub authority: Option<bool>,
    /// When it was started, in milliseconds since 1970.
    pub startup_time: Option<i64>,
    /// The name of the node's program.
    pub implementation: Option<String>,
}

impl Identity {
    /// This identity, and what `known` tells beyond it.
    #[must_use]
    pub fn completed_by(self, known: Self) -> Self {
        Self {
            peer_id: self.peer_id,
            name: self.name.or(known.name),
            chain: self.chain.or(known.chain),
            version: self.version.or(known.version),
            authority: self.authority.or(known.authority),
            startup_time: self.startup_time.or(known.startup_time),
            implementation: self.implementation.or(known.implementation),
        }
    }
}

impl Message<'_> {
    /// The identity in this message: all of it in `system.connected`, else the peer id alone
    /// where `state` or `network_state` holds one.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let connected = self.announces_node();
        if !connected && memchr::memmem::find(self.logs.object, b"peerId").is_none() {
            return None;
        }
        let logs: Members<'_> = serde_json::from_slice(self.logs.object).ok()?;
        if !connected {
            let peer_id = ["state", "network_state"].into_iter().find_map(|key| {
                let state = members(logs.get(key)?.get())?;
                known_peer_id(text(&state, "peerId")?)
            })?;
            return Some(Identity { peer_id, ..Identity::default() });
        }
        let label = |key| {
            let mut label = text(&logs, key)?;
            label.truncate(label.floor_char_boundary(MAX_LABEL));
            Some(label)
        };
        Some(Identity {
            peer_id: known_peer_id(text(&logs, "network_id")?)?,
            name: label("name"),
            chain: label("chain"),
            version: label("version"),
            authority: value(&logs, "authority"),
            startup_time: value(&logs, "startup_time")
                .or_else(|| text(&logs, "startup_time")?.parse().ok()),
            implementation: label("implementation"),
        })
    }

    /// Whether this is the message in which a node introduces itself.
    #[must_use]
    pub fn announces_node(&self) -> bool {
        self.msg.as_deref() == Some("system.connected")
    }
}

/// An object's members, unread: of a repeated key the last, and numbers of any size.
pub(crate) type Members<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// The members of a JSON object; nothing for any other value.
pub(crate) fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}

fn value<T: DeserializeOwned>(members: &Members<'_>, key: &str) -> Option<T> {
    serde_json::from_str(members.get(key)?.get()).ok()
}

fn text(members: &Members<'_>, key: &str) -> Option<String> {
    value(members, key)
}

fn known_peer_id(text: String) -> Option<String> {
    (!text.is_empty() && text.len() <= MAX_PEER_ID).then_some(text)
}

/// The text of a JSON string with its quotes; nothing for any other value.
pub(crate) fn string(json: &[u8]) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice(json).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// Microseconds since 1970 of an RFC 3339 time with any number of fraction digits. Times before the
/// year 1 are none: PostgreSQL does not know a year 0 in the form in which they would be written.
fn timestamp(json: &[u8]) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(&string(json)?).ok()?.to_utc();
    (time.year() > 0).then(|| time.timestamp_micros())
}

/// A range of the message's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.end]
    }
}

/// Where the values of interest stand; of repeated keys the last, as in `jsonb`.
struct Found {
    object: Span,
    payload: Option<Span>,
    id: Option<Span>,
    ts: Option<Span>,
    msg: Option<Span>,
    inner_msg: Option<Span>,
}

struct Scanner<'a> {
    bytes: &'a mut [u8],
    at: usize,
    repaired: bool,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<Found, Reject> {
        let start = self.skip_whitespace();
        if self.peek() != Some(b'{') {
            // Something else may still be JSON: the reason tells which.
            self.value(1)?;
            self.end()?;
            return Err(Reject::NotAnObject);
        }
        let mut found = Found {
            object: Span { start, end: start },
            payload: None,
            id: None,
            ts: None,
            msg: None,
            inner_msg: None,
        };
        self.at += 1;
        let mut more = self.opened(b'}')?;
        while more {
            let key = self.key()?;
            let start = self.at;
            let is_key = |scanner: &Self, name: &str| {
                string(key.of(scanner.bytes)).is_some_and(|key| key == name)
            };
            if is_key(self, "payload") {
                if self.peek() == Some(b'{') {
                    found.inner_msg = self.payload()?;
                    found.payload = Some(Span { start, end: self.at });
                } else {
                    self.value(2)?;
                    found.payload = None;
                }
            } else {
                self.value(2)?;
                let value = Some(Span { start, end: self.at });
                if is_key(self, "msg") {
                    found.msg = value;
                } else if is_key(self, "ts") {
                    found.ts = value;
                } else if is_key(self, "id") {
                    found.id = value;
                }
            }
            more = self.continued(b'}')?;
        }
        found.object.end = self.at;
        self.end()?;
        Ok(found)
    }

    /// V2's payload: its `msg`.
    fn payload(&mut self) -> Result<Option<Span>, Reject> {
        let mut msg = None;
        self.at += 1;
        let mut more = self.opened(b'}')?;
        while more {
            let key = self.key()?;
            let start = self.at;
            self.value(3)?;
            if string(key.of(self.bytes)).is_some_and(|key| key == "msg") {
                msg = Some(Span { start, end: self.at });
            }
            more = self.continued(b'}')?;
        }
        Ok(msg)
    }

    /// Any value; `depth` is how deep an object or array here would stand.
    fn value(&mut self, depth: u8) -> Result<(), Reject> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') if depth > MAX_DEPTH => Err(Reject::NestedTooDeep),
            Some(b'{') => {
                self.at += 1;
                let mut more = self.opened(b'}')?;
                while more {
                    self.key()?;
                    self.value(depth + 1)?;
                    more = self.continued(b'}')?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                let mut more = self.opened(b']')?;
                while more {
                    self.value(depth + 1)?;
                    more = self.continued(b']')?;
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(Reject::NotJson),
        }
    }

    /// After an opening bracket: whether there is a first element.
    fn opened(&mut self, close: u8) -> Result<bool, Reject> {
        self.skip_whitespace();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(Reject::NotJson),
        }
    }

    /// After an element: whether there is a further one.
    fn continued(&mut self, close: u8) -> Result<bool, Reject> {
        self.skip_whitespace();
        let byte = self.peek().ok_or(Reject::NotJson)?;
        self.at += 1;
        match byte {
            b',' => {
                self.skip_whitespace();
                Ok(true)
            }
            _ if byte == close => Ok(false),
            _ => Err(Reject::NotJson),
        }
    }

    /// A member's key and the colon behind it; leaves the scanner at the value.
    fn key(&mut self) -> Result<Span, Reject> {
        if self.peek() != Some(b'"') {
            return Err(Reject::NotJson);
        }
        let start = self.at;
        self.string()?;
        let key = Span { start, end: self.at };
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(Reject::NotJson);
        }
        self.at += 1;
        self.skip_whitespace();
        Ok(key)
    }

    fn string(&mut self) -> Result<(), Reject> {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .ok_or(Reject::NotJson)?;
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ => return Err(Reject::NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Reject> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.code_unit(self.at)? {
                0 => {
                    self.bytes[self.at + 2..self.at + 6].copy_from_slice(b"fffd");
                    self.repaired = true;
                    self.at += 6;
                }
                0xd800..=0xdbff => {
                    let low = self.bytes.get(self.at + 6..self.at + 8) == Some(b"\\u")
                        && matches!(self.code_unit(self.at + 6)?, 0xdc00..=0xdfff);
                    if !low {
                        return Err(Reject::LoneSurrogate);
                    }
                    self.at += 12;
                }
                0xdc00..=0xdfff => return Err(Reject::LoneSurrogate),
                _ => self.at += 6,
            },
            _ => return Err(Reject::NotJson),
        }
        Ok(())
    }

    /// The UTF-16 code unit of the `\uXXXX` that starts at `at`.
    fn code_unit(&self, at: usize) -> Result<u16, Reject> {
        let digits = self.bytes.get(at + 2..at + 6).ok_or(Reject::NotJson)?;
        digits.iter().try_fold(0, |unit: u16, digit| {
            let value = (*digit as char).to_digit(16).ok_or(Reject::NotJson)?;
            Ok(unit << 4 | u16::try_from(value).map_err(|_| Reject::NotJson)?)
        })
    }

    fn number(&mut self) -> Result<(), Reject> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let integer = self.digits()?;
        if leading_zero && integer > 1 {
            return Err(Reject::NotJson);
        }
        let mut fraction = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits()?;
        }
        let mut exponent = 0;
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let negative = self.peek() == Some(b'-');
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let start = self.at;
            self.digits()?;
            exponent = self.bytes[start..self.at].iter().fold(0_i64, |value, digit| {
                value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
            });
            if negative {
                exponent = -exponent;
            }
        }
        // Leading or trailing zeros are counted like other digits: simpler, and at most refuses
        // what nobody sends.
        if integer.saturating_add(exponent) > MAX_INTEGER_DIGITS
            || fraction.saturating_sub(exponent) > MAX_FRACTION_DIGITS
        {
            return Err(Reject::NumberOutOfRange);
        }
        Ok(())
    }

    /// One or more digits: how many.
    fn digits(&mut self) -> Result<i64, Reject> {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(Reject::NotJson);
        }
        self.at += count;
        i64::try_from(count).map_err(|_| Reject::NumberOutOfRange)
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Reject> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Reject::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reject> {
        if self.skip_whitespace() == self.bytes.len() { Ok(()) } else { Err(Reject::NotJson) }
    }

    fn skip_whitespace(&mut self) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests;
