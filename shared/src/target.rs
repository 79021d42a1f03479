//! What a message is about: the member `target` of tracing messages, and of whichever others have
//! one.

use std::borrow::Cow;

use memchr::memmem;

use crate::message::{members, string};

/// A target as it stands in a message; `None` if it is no string.
pub type RawTarget<'a> = Option<&'a [u8]>;

/// What may be the target of a message: its own, and those of its inner objects, which to tell
/// apart takes reading all of it.
pub fn candidates(logs: &[u8]) -> impl Iterator<Item = RawTarget<'_>> {
    const NAME: &[u8] = b"\"target\"";
    let plain = memmem::find_iter(logs, NAME).filter_map(|at| raw_value(&logs[at + NAME.len()..]));
    plain.chain(escaped(logs))
}

/// The text of a target; `None` if it is no string.
#[must_use]
pub fn text(raw: RawTarget<'_>) -> Option<Cow<'_, str>> {
    string(raw?)
}

/// The target of a message that may have escapes in the names of members.
fn escaped(logs: &[u8]) -> Option<RawTarget<'_>> {
    memmem::find(logs, b"\\u")?;
    let value = members(std::str::from_utf8(logs).ok()?)?.remove("target")?.get().as_bytes();
    Some(value.starts_with(b"\"").then_some(value))
}

/// The value behind the name of a member; nothing if there is none, since it was no name.
fn raw_value(json: &[u8]) -> Option<RawTarget<'_>> {
    let value = json.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let Some(inner) = value.strip_prefix(b"\"") else {
        return Some(None);
    };
    let mut marks = memchr::memchr2_iter(b'"', b'\\', inner);
    let mut escaped = None;
    let end = marks.find(|&at| {
        let is_escaped = escaped == Some(at);
        if inner[at] == b'\\' && !is_escaped {
            escaped = Some(at + 1);
        }
        inner[at] == b'"' && !is_escaped
    })?;
    Some(Some(&value[..end + 2]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets(logs: &str) -> Vec<Option<String>> {
        candidates(logs.as_bytes()).map(|raw| text(raw).map(Cow::into_owned)).collect()
    }

    #[test]
    fn a_target_is_found_however_it_is_written() {
        for (logs, found) in [
            (r#"{"msg":"a","target":"gossip"}"#, vec![Some("gossip")]),
            ("{ \"target\" \n:\t\"gossip\" }", vec![Some("gossip")]),
            (r#"{"target":""}"#, vec![Some("")]),
            (r#"{"target":"a\"b\\"}"#, vec![Some("a\"b\\")]),
            (r#"{"target":"\\\\\"","x":"y"}"#, vec![Some("\\\\\"")]),
            (r#"{"target":1}"#, vec![None]),
            (r#"{"target":{"target":"inner"}}"#, vec![None, Some("inner")]),
            (r#"{"t\u0061rget":"gossip"}"#, vec![Some("gossip")]),
            (r#"{"t\u0061rget":null}"#, vec![None]),
            (r#"{"msg":"target"}"#, vec![]),
            (r#"{"msg":"a \"target\":\"b\""}"#, vec![]),
            ("{}", vec![]),
        ] {
            let found: Vec<_> =
                found.into_iter().map(|target: Option<&str>| target.map(str::to_owned)).collect();
            assert_eq!(targets(logs), found, "{logs}");
        }
    }

    proptest! {
        #[test]
        fn the_target_of_any_message_is_among_the_candidates(
            before in "\\PC{0,20}",
            target in any::<String>(),
            after in "\\PC{0,20}",
        ) {
            let logs = serde_json::json!({"a": before, "target": target, "z": {"target": after}});
            prop_assert!(targets(&logs.to_string()).contains(&Some(target)));
        }
    }
}
