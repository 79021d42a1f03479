#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What is stored, or why not.
fn stored(text: &str) -> Result<Value, Reject> {
    let mut bytes = text.as_bytes().to_vec();
    parse(&mut bytes).map(|message| normal_form(&message))
}

fn normal_form(message: &Message<'_>) -> Value {
    let mut logs = Vec::new();
    message.logs.write(&mut logs);
    assert_eq!(logs.len(), message.logs.len(), "the length is the one announced");
    serde_json::from_slice(&logs).unwrap()
}

#[test]
fn both_envelopes_are_understood_in_any_order() {
    let ts = "2026-11-22T08:27:33.575561215+05:30";
    let us = DateTime::parse_from_rfc3339(ts).unwrap().timestamp_micros();
    for (text, id, msg, logs) in [
        (
            format!(r#"{{"id":7,"payload":{{"msg":"a","id":1}},"ts":"{ts}"}}"#),
            Some(7),
            Some("a"),
            json!({ "msg": "a", "id": 1, "ts": ts }),
        ),
        (
            format!(r#" {{ "ts" : "{ts}" , "payload" : {{ }} , "id" : 18446744073709551615 }}"#),
            Some(u64::MAX),
            None,
            json!({ "ts": ts }),
        ),
        (
            format!("{{\"msg\":\"b\",\"id\":7,\"payload\":{{\"msg\":\"c\"}},\"ts\":\"{ts}\"}}\n"),
            None,
            Some("b"),
            json!({ "msg": "b", "id": 7, "payload": { "msg": "c" }, "ts": ts }),
        ),
        // The last of repeated keys counts, as in jsonb; escaped keys are keys.
        (
            format!(r#"{{"msg":"x","\u006dsg":"\u0079","ts":"{ts}"}}"#),
            None,
            Some("y"),
            json!({ "msg": "y", "ts": ts }),
        ),
        (
            format!(r#"{{"payload":{{"ts":1,"msg":null}},"ts":"{ts}"}}"#),
            None,
            None,
            json!({ "msg": null, "ts": ts }),
        ),
    ] {
        let mut bytes = text.clone().into_bytes();
        let message = parse(&mut bytes).unwrap();
        assert_eq!(message.id, id, "{text}");
        assert_eq!(message.msg.as_deref(), msg, "{text}");
        assert_eq!(message.sent_at, Some(us), "{text}");
        assert_eq!(normal_form(&message), logs, "{text}");
    }
}

#[test]
fn what_cannot_be_stored_has_its_reason() {
    let deep = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for (text, reason) in [
        ("", Reject::NotJson),
        ("{", Reject::NotJson),
        (r#"{"a":1,}"#, Reject::NotJson),
        (r#"{"a":01}"#, Reject::NotJson),
        (r#"{"a":1.}"#, Reject::NotJson),
        (r#"{"a":.5}"#, Reject::NotJson),
        (r#"{"a":1e}"#, Reject::NotJson),
        (r#"{"a":+1}"#, Reject::NotJson),
        (r#"{"a":truth}"#, Reject::NotJson),
        (r#"{"a":"\x"}"#, Reject::NotJson),
        ("{\"a\":\"\n\"}", Reject::NotJson),
        (r#"{"a":1} {}"#, Reject::NotJson),
        (r"{a:1}", Reject::NotJson),
        (r#"{"a":"\u12"}"#, Reject::NotJson),
        ("[1,2]", Reject::NotAnObject),
        ("null", Reject::NotAnObject),
        (r#"{"a":"\ud800"}"#, Reject::LoneSurrogate),
        (r#"{"a":"\ud800\u0041"}"#, Reject::LoneSurrogate),
        (r#"{"\udc00":1}"#, Reject::LoneSurrogate),
        (r#"{"a":1e131072}"#, Reject::NumberOutOfRange),
        (r#"{"a":-1e99999999999999999999}"#, Reject::NumberOutOfRange),
        (r#"{"a":1e-16384}"#, Reject::NumberOutOfRange),
        (&deep(128), Reject::NestedTooDeep),
        (&format!(r#"{{"a":{}1"#, "[".repeat(200_000)), Reject::NestedTooDeep),
    ] {
        assert_eq!(stored(text).unwrap_err(), reason, "{text:.60}");
    }
    assert_eq!(parse(&mut b"{\"a\":\"\xff\"}".to_vec()).unwrap_err(), Reject::InvalidUtf8);
    assert!(stored(&deep(127)).is_ok());
    let extreme = r#"{"a":"\ud83d\ude00","b":1e131071,"c":1e-16383}"#;
    assert!(parse(&mut extreme.as_bytes().to_vec()).is_ok());
    // An exponent moves the point: what counts are the digits before and behind it then.
    let shifted = [format!("{}e-9", "1".repeat(131_081)), format!("0.{}e9", "1".repeat(16_392))];
    for number in shifted {
        assert!(parse(&mut format!(r#"{{"a":{number}}}"#).into_bytes()).is_ok());
        let beyond = number.replacen('1', "11", 1);
        let refused = parse(&mut format!(r#"{{"a":{beyond}}}"#).into_bytes()).unwrap_err();
        assert_eq!(refused, Reject::NumberOutOfRange);
    }
}

#[test]
fn nul_is_repaired_and_an_escaped_backslash_is_not_touched() {
    let mut bytes = br#"{"msg":"a\u0000b","c":"\\u0000"}"#.to_vec();
    let message = parse(&mut bytes).unwrap();
    assert!(message.repaired);
    assert_eq!(message.msg.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(normal_form(&message), json!({ "msg": "a\u{fffd}b", "c": "\\u0000" }));

    let mut bytes = br#"{"c":"\\u0000"}"#.to_vec();
    assert!(!parse(&mut bytes).unwrap().repaired);
}

#[test]
fn times_are_read_or_missed() {
    for (ts, micros) in [
        (r#""1970-01-01T00:00:01+00:00""#, Some(1_000_000)),
        (r#""1970-01-01T00:00:00.000001999Z""#, Some(1)),
        (r#""1970-01-01T00:00:00.123-05:00""#, Some(18_000_123_000)),
        (r#""0001-01-01T00:00:00Z""#, Some(-62_135_596_800_000_000)),
        (r#""0000-12-31T23:59:59Z""#, None),
        (r#""0001-01-01T00:00:00+00:01""#, None),
        (r#""yesterday""#, None),
        ("5", None),
    ] {
        let mut bytes = format!(r#"{{"ts":{ts}}}"#).into_bytes();
        let message = parse(&mut bytes).unwrap();
        assert_eq!((message.has_ts, message.sent_at), (true, micros), "{ts}");
    }
    assert!(!parse(&mut b"{}".to_vec()).unwrap().has_ts);
}

#[test]
fn identities_are_found_where_nodes_put_them() {
    let identity = |text: &str| parse(&mut text.as_bytes().to_vec()).unwrap().identity();
    let connected = identity(
        r#"{"id":1,"payload":{"msg":"system.connected","network_id":"Qm","name":"a","chain":"D",
            "version":"1","authority":true,"startup_time":"12","implementation":"I","huge":1e999,"huge":2},"ts":""}"#,
    );
    assert_eq!(
        connected,
        Some(Identity {
            peer_id: "Qm".into(),
            name: Some("a".into()),
            chain: Some("D".into()),
            version: Some("1".into()),
            authority: Some(true),
            startup_time: Some(12),
            implementation: Some("I".into()),
        })
    );
    for text in [
        r#"{"msg":"system.network_state","state":{"peerId":"Qm"}}"#,
        r#"{"msg":"system.interval","network_state":{"peerId":"Qm"}}"#,
    ] {
        assert_eq!(identity(text).unwrap().peer_id, "Qm");
    }
    for text in [
        r#"{"msg":"system.connected","network_id":7}"#,
        r#"{"msg":"system.interval","state":{"peer":"peerId"}}"#,
        &format!(r#"{{"msg":"system.connected","network_id":"{}"}}"#, "Q".repeat(3000)),
    ] {
        assert_eq!(identity(text), None, "{text:.80}");
    }
}

/// Any JSON value, nested a little.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(|text| Value::from(text.replace('\0', "_"))),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"\\\\]{0,5}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_value_is_judged_as_serde_json_does(value in any_json(), pretty: bool) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        match stored(&text) {
            // Both read back by serde_json, which is not exact about floats.
            Ok(logs) => prop_assert_eq!(logs, serde_json::from_str::<Value>(&text).unwrap()),
            Err(reason) => prop_assert!(reason == Reject::NotAnObject && !value.is_object()),
        }
    }

    /// A text that was cut, or changed in one byte, is accepted only where it is still JSON.
    #[test]
    fn damaged_json_is_judged_as_serde_json_does(
        value in any_json(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b','), Just(b'0'), Just(b' '), any::<u8>()],
        cut: bool,
    ) {
        let mut bytes = json!({ "a": value }).to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let theirs = serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes);
        match parse(&mut bytes) {
            // A float that overflows is an error of serde_json's only.
            Ok(message) => {
                if let Ok(theirs) = theirs {
                    prop_assert_eq!(normal_form(&message), Value::Object(theirs));
                } else {
                    let mut logs = Vec::new();
                    message.logs.write(&mut logs);
                    let ours = serde_json::from_slice::<Value>(&logs).unwrap_err();
                    prop_assert!(ours.to_string().contains("number out of range"), "{ours}");
                }
            }
            Err(reason) => prop_assert!(theirs.is_err(), "{reason} for {:?}", String::from_utf8_lossy(&bytes)),
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&mut bytes.clone());
    }
}
