//! Parameters of a request, as types that say what they expect.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};

use super::{Error, problem::naming};

/// How times are answered: UTC without a zone, as 0.1.4 did; the fraction only where there is one.
const NAIVE: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// The parameters of a route that has none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Reads `query`, which is still percent-encoded, into `P`.
pub(super) fn parse<P: DeserializeOwned>(query: &str) -> Result<P, Error> {
    let query = query.trim_matches('&');
    if let Some(parameter) = query.split('&').find(|parameter| parameter.contains("%00")) {
        let name = parameter.split('=').next().unwrap_or_default();
        return Err(Error::bad_parameter(name, "expected text, which never holds U+0000"));
    }
    let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        // Words of serde_html_form's and serde's own that mean nothing to a client.
        let said = error.inner().to_string().replace("unsupported value", "given more than once");
        let said = match said.split_once(" field `") {
            Some((kind @ ("unknown" | "missing"), rest)) => format!("{kind} parameter `{rest}"),
            _ => said,
        };
        let path = error.path().to_string();
        // serde names missing fields in the message only.
        let name = if path == "." { said.split('`').nth(1).map(str::to_owned) } else { Some(path) };
        let detail = naming(name.as_deref(), &said);
        Error::BadParameter { name, detail }
    })
}

/// A whole number from 1 to `MAX`: `DEFAULT` where nothing is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Number<const DEFAULT: u32, const MAX: u32>(u32);

impl<const DEFAULT: u32, const MAX: u32> Default for Number<DEFAULT, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: u32, const MAX: u32> Number<DEFAULT, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<'de, const DEFAULT: u32, const MAX: u32> Deserialize<'de> for Number<DEFAULT, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer, MAX).map(Self)
    }
}

impl<const DEFAULT: u32, const MAX: u32> Serialize for Number<DEFAULT, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<const DEFAULT: u32, const MAX: u32> JsonSchema for Number<DEFAULT, MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Number_{DEFAULT}_{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX })
    }
}

/// The number of something that the database numbers from 1 on, such as a benchmark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Id(pub i32);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = whole(deserializer, i32::MAX.unsigned_abs())?;
        i32::try_from(number).map(Self).map_err(D::Error::custom)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": i32::MAX })
    }
}

/// A number of a body that a column of type `integer` holds: from 0 on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Natural(pub i32);

impl<'de> Deserialize<'de> for Natural {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // 4.0 is a whole number to JSON Schema, and every one of this range is exact in an f64.
        let number = f64::deserialize(deserializer)?;
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it came from")]
        let whole = number as i32;
        if whole >= 0 && f64::from(whole).total_cmp(&number).is_eq() {
            return Ok(Self(whole));
        }
        let most = i32::MAX;
        Err(D::Error::custom(format!("expected a whole number from 0 to {most}, got `{number}`")))
    }
}

impl JsonSchema for Natural {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Natural".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": i32::MAX })
    }
}

/// A number from 1 to `most`, in digits, behind which `.0` may stand.
fn whole<'de, D: Deserializer<'de>>(deserializer: D, most: u32) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    // 4.0 is a whole number to JSON Schema, and some clients write it so.
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    let digits = whole.bytes().all(|byte| byte.is_ascii_digit());
    match whole.parse() {
        Ok(number @ 1..) if number <= most && digits => Ok(number),
        _ => Err(D::Error::custom(format!("expected a number from 1 to {most}, got `{text}`"))),
    }
}

/// A moment: `2019-01-01T00:00:00[.ffffff]` in UTC, or RFC 3339 with a zone. Answered in the
/// first form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Time(pub DateTime<Utc>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A `+` that was not percent-encoded arrives as a space.
        let zoned = text.replace(' ', "+");
        NaiveDateTime::parse_from_str(&text, NAIVE)
            .map(|naive| naive.and_utc())
            .or_else(|_| DateTime::parse_from_rfc3339(&zoned).map(|zoned| zoned.to_utc()))
            .ok()
            .filter(is_stored)
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "expected a time such as 2019-01-01T00:00:00 (UTC) or 2019-01-01T00:00:00+02:00, \
                     got `{text}`"
                ))
            })
    }
}

/// Whether PostgreSQL has this time; chrono's reach further.
fn is_stored(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year())
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The same as `NAIVE` in less than half the time, of which a page has thousands.
        fmt::Debug::fmt(&self.0.naive_utc(), f)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        if generator.contract().is_serialize() {
            json_schema!({
                "type": "string",
                "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?$",
                "examples": ["2019-01-01T00:00:00.250"],
            })
        } else {
            json_schema!({
                "type": "string",
                "format": "date-time",
                "examples": ["2019-01-01T02:00:00+02:00", "2019-01-01T00:00:00"],
            })
        }
    }
}

/// Where a page ended: the time and the id of its last row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// The row's time.
    pub time: DateTime<Utc>,
    /// Tells rows of one time apart.
    pub id: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{:016x}", self.time.timestamp_micros(), self.id)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split_once('_')
            .and_then(|(time, id)| {
                let time = DateTime::from_timestamp_micros(time.parse().ok()?).filter(is_stored)?;
                let id = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16)?;
                Some(Self { time, id: id.cast_signed() })
            })
            .ok_or_else(|| D::Error::custom("expected what an answer's `Link` header gave"))
    }
}

impl JsonSchema for Cursor {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // All of these are read; those that answers give are among them.
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,17}_[0-9a-f]{16}$" })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        peer_id: String,
        #[serde(default)]
        limit: Number<100, 10_000>,
        start_time: Option<Time>,
    }

    fn problem(query: &str) -> (Option<String>, String) {
        match parse::<Sample>(query).unwrap_err() {
            Error::BadParameter { name, detail } => (name, detail),
            other => (None, format!("{other:?}")),
        }
    }

    #[test]
    fn defaults_and_encodings() {
        let sample: Sample = parse("peer_id=a%26b").unwrap();
        assert_eq!((sample.peer_id.as_str(), sample.limit.get()), ("a&b", 100));
        let at = |query: &str| parse::<Sample>(query).unwrap().start_time.unwrap().to_string();
        assert_eq!(at("peer_id=a&start_time=2019-01-01T00:00:00.25"), "2019-01-01T00:00:00.250");
        assert_eq!(at("peer_id=a&start_time=2019-01-01T02:00:00%2B02:00"), "2019-01-01T00:00:00");
        assert_eq!(at("peer_id=a&start_time=2019-01-01T02:00:00+02:00"), "2019-01-01T00:00:00");
    }

    #[test]
    fn every_problem_names_its_parameter() {
        for (query, name, word) in [
            ("", "peer_id", "missing parameter"),
            ("peer_id=a&limit=0", "limit", "from 1 to 10000, got `0`"),
            ("peer_id=a&limit=%2B5", "limit", "from 1 to 10000"),
            ("peer_id=a&limit=1e9", "limit", "from 1 to 10000"),
            ("peer_id=a&start_time=yesterday", "start_time", "2019-01-01T00:00:00"),
            ("peer_id=a&limt=5", "limt", "unknown parameter"),
            ("peer_id=a&peer_id=b", "peer_id", "more than once"),
        ] {
            let (named, detail) = problem(query);
            assert_eq!(named.as_deref(), Some(name), "{query}: {detail}");
            assert!(detail.contains(word) && detail.contains(name), "{query}: {detail}");
        }
    }

    #[test]
    fn a_natural_number_is_whole() {
        let read = |json: &str| serde_json::from_str::<Natural>(json).ok().map(|number| number.0);
        for (json, number) in [
            ("0", Some(0)),
            ("4.0", Some(4)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("-1", None),
            ("4.5", None),
            ("1e400", None),
            ("\"4\"", None),
        ] {
            assert_eq!(read(json), number, "{json}");
        }
    }

    proptest! {
        #[test]
        fn cursors_come_back(micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000, id: i64) {
            let cursor = Cursor { time: DateTime::from_timestamp_micros(micros).unwrap(), id };
            let text = cursor.to_string();
            let json = serde_json::Value::String(text);
            prop_assert_eq!(serde_json::from_value::<Cursor>(json).unwrap(), cursor);
        }
    }
}
