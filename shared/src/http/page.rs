//! Answers that are lists: a page at a time, in the format that the client asks for.

use std::{borrow::Cow, fmt, future::Future, pin::Pin};

use anyhow::Context as _;
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Error, Result, answer::Answer};

/// Rows that are fetched at first; then as many as fit, so that hardly any is fetched in vain.
const FIRST_ROWS: u32 = 100;

/// The media types of a list; the first one unless the client asks for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// A JSON array.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// RFC 4180, with a header; objects and arrays are JSON text in their cell.
    Csv,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Ndjson, Self::Csv];

    /// As the parameter `format` names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }

    /// What the parameter `format` asks for, else the best that `accept` names (RFC 9110).
    ///
    /// # Errors
    /// There is no such format, or `accept` takes none of them.
    pub(super) fn negotiate(parameter: Option<&str>, accept: Option<&str>) -> Result<Self> {
        if let Some(name) = parameter {
            return Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
                Error::bad_parameter("format", "expected `json`, `ndjson` or `csv`")
            });
        }
        let Some(accept) = accept else {
            return Ok(Self::Json);
        };
        let mut best = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            let quality = quality.unwrap_or(1.0);
            let format = Self::ALL.into_iter().find(|format| {
                let own = format.media_type();
                let group = name
                    .strip_suffix("/*")
                    .is_some_and(|group| group == "*" || own.split('/').next() == Some(group));
                name == own || group
            });
            if let Some(format) = format
                && quality > best.map_or(0.0, |(quality, _)| quality)
            {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or(Error::NotAcceptable)
    }
}

type Fetched<T> = Pin<Box<dyn Future<Output = Result<Vec<T>>> + Send>>;

/// Rows in an order, of which `K` names a place. The answer has at most `limit` of them, and no
/// more than fit `MAX_RESPONSE_BYTES`; where there may be more, it links to what follows.
pub struct Page<T, K> {
    limit: u32,
    after: Option<K>,
    key: fn(&T) -> K,
    fetch: Box<dyn Fn(Option<K>, i64) -> Fetched<T> + Send + Sync>,
}

impl<T, K> Page<T, K> {
    /// At most `limit` rows behind the place `after`. `fetch` yields so many behind a place, and
    /// `key` tells a row's.
    pub fn new<F, R>(limit: u32, after: Option<K>, key: fn(&T) -> K, fetch: F) -> Self
    where
        F: Fn(Option<K>, i64) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<T>>> + Send + 'static,
    {
        Self { limit, after, key, fetch: Box::new(move |after, rows| Box::pin(fetch(after, rows))) }
    }
}

impl<T: Serialize, K: Clone + fmt::Display> Page<T, K> {
    /// The page in this format, with these names for its columns. The first row is always in it,
    /// whatever its size.
    pub(super) async fn answer(
        self,
        format: Format,
        columns: &[String],
        most_bytes: usize,
    ) -> Result<Answer> {
        let mut body = Body::new(format, columns)?;
        let mut after = self.after;
        let mut left = self.limit;
        let more = 'page: loop {
            let wanted = left.min(body.fits(most_bytes).unwrap_or(FIRST_ROWS));
            let rows = (self.fetch)(after.clone(), wanted.into()).await?;
            for row in &rows {
                if !body.push(row, most_bytes)? {
                    break 'page true;
                }
                after = Some((self.key)(row));
            }
            if rows.len() < wanted as usize {
                break false;
            }
            left -= wanted;
            if left == 0 {
                break true;
            }
        };
        let answer = Answer::new(body.finish(), format.media_type());
        Ok(answer.followed_by(after.filter(|_| more).map(|place| place.to_string())))
    }
}

/// A list that is being written.
struct Body {
    format: Format,
    bytes: Vec<u8>,
    rows: usize,
}

impl Body {
    fn new(format: Format, columns: &[String]) -> Result<Self> {
        let bytes = match format {
            Format::Json => vec![b'['],
            Format::Ndjson => Vec::new(),
            Format::Csv => {
                let mut bytes = Vec::new();
                write_record(&mut bytes, columns)?;
                bytes
            }
        };
        Ok(Self { format, bytes, rows: 0 })
    }

    /// How many more rows, at least one, fill it up to `most` bytes if they are like those in it.
    fn fits(&self, most: usize) -> Option<u32> {
        let size = self.bytes.len().checked_div(self.rows)?;
        let fit = most.saturating_sub(self.bytes.len()).checked_div(size)?;
        Some(u32::try_from(fit).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Adds a row. Where it would make the list larger than `most` bytes, and is not the first,
    /// the list stays as it is and the answer is false.
    fn push(&mut self, row: &impl Serialize, most: usize) -> Result<bool> {
        let start = self.bytes.len();
        let first = self.rows == 0;
        match self.format {
            Format::Json => {
                if !first {
                    self.bytes.push(b',');
                }
                serde_json::to_writer(&mut self.bytes, row).map_err(anyhow::Error::from)?;
            }
            Format::Ndjson => {
                serde_json::to_writer(&mut self.bytes, row).map_err(anyhow::Error::from)?;
                self.bytes.push(b'\n');
            }
            Format::Csv => {
                let json = serde_json::to_string(row).map_err(anyhow::Error::from)?;
                let cells = cells(&json).map_err(anyhow::Error::from)?;
                write_record(&mut self.bytes, cells.iter().map(|cell| cell.as_bytes()))?;
            }
        }
        let end = usize::from(self.format == Format::Json);
        if !first && self.bytes.len() + end > most {
            self.bytes.truncate(start);
            return Ok(false);
        }
        self.rows += 1;
        Ok(true)
    }

    fn finish(mut self) -> Bytes {
        if self.format == Format::Json {
            self.bytes.push(b']');
        }
        self.bytes.into()
    }
}

/// Appends one line of CSV.
fn write_record<C: AsRef<[u8]>>(
    bytes: &mut Vec<u8>,
    cells: impl IntoIterator<Item = C>,
) -> Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .buffer_capacity(1024)
        .from_writer(bytes);
    writer.write_record(cells).context("a line of CSV")?;
    Ok(writer.flush().context("a line of CSV")?)
}

/// What stands in the cells of a row: text as it is, nothing for null, else JSON.
fn cells(row: &str) -> serde_json::Result<Vec<Cow<'_, str>>> {
    let members: Members<'_> = serde_json::from_str(row)?;
    let cells = members.0.into_iter().map(|(_, value)| match value.get() {
        "null" => Ok(Cow::Borrowed("")),
        text if text.starts_with('"') => serde_json::from_str(text).map(Cow::Owned),
        other => Ok(Cow::Borrowed(other)),
    });
    cells.collect()
}

/// An object's members in their order, unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn formats_are_negotiated() {
        let format = |accept| Format::negotiate(None, Some(accept)).ok();
        for (accept, expected) in [
            ("*/*", Some(Format::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("application/json;q=0.5, application/x-ndjson", Some(Format::Ndjson)),
            ("Application/JSON", Some(Format::Json)),
            ("text/csv;q=0", None),
            ("image/png", None),
            ("", None),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
        assert_eq!(Format::negotiate(None, None).unwrap(), Format::Json);
        assert_eq!(Format::negotiate(Some("csv"), Some("image/png")).unwrap(), Format::Csv);
        assert!(Format::negotiate(Some("xml"), None).is_err());
    }

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        value: Option<f64>,
        logs: Box<RawValue>,
    }

    #[test]
    fn a_list_ends_before_it_grows_too_large() {
        let row = || Row {
            name: "a \"b\",\n",
            value: None,
            logs: RawValue::from_string(r#"{"n": 1e400}"#.to_owned()).unwrap(),
        };
        for (format, expected) in [
            (Format::Json, r#"[{"name":"a \"b\",\n","value":null,"logs":{"n": 1e400}}]"#),
            (
                Format::Ndjson,
                "{\"name\":\"a \\\"b\\\",\\n\",\"value\":null,\"logs\":{\"n\": 1e400}}\n",
            ),
            (Format::Csv, "name,value,logs\r\n\"a \"\"b\"\",\n\",,\"{\"\"n\"\": 1e400}\"\r\n"),
        ] {
            let mut body =
                Body::new(format, &["name", "value", "logs"].map(str::to_owned)).unwrap();
            assert!(body.push(&row(), 1).unwrap(), "the first always fits");
            assert!(!body.push(&row(), expected.len() + 1).unwrap());
            assert_eq!(body.fits(3 * expected.len()), Some(3));
            assert_eq!(body.finish(), expected);
        }
    }
}
