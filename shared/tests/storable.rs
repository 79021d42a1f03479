//! What ws-ingest takes, PostgreSQL takes; what it rejects, it rejects for a reason. Messages are
//! made up, the same ones in each run.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index, strategy::ValueTree as _, test_runner};
use serde_json::{Map, Value, json};
use shared::{
    message::{self, Reject},
    testing::{Pipeline, metric},
};

const SAMPLES: [&str; 2] =
    [include_str!("data/telemetry-v1.jsonl"), include_str!("data/telemetry-v2.jsonl")];
/// How many messages of each kind are made up.
const OF_EACH: usize = 500;

/// Any text, often with characters that mean something to somebody.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "",
        "\\",
        "\"",
        "\u{1}",
        "\u{7f}",
        "\u{fffd}",
        "\u{10ffff}",
        "😀",
        "%00",
        "'",
        "{}",
        "peerId",
    ]);
    prop_oneof![
        4 => "[a-z.]{0,12}",
        2 => any::<String>().prop_map(|text| text.replace('\0', "_")),
        2 => vec(special, 0..4).prop_map(|parts| parts.concat()),
        // More than an index holds, and too mixed to be compressed.
        1 => "[a-zA-Z0-9äöü]{3000}",
    ]
}

/// Any JSON value, nested a little.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// A message whose members are known, though their values may be anything.
fn known_message() -> impl Strategy<Value = String> {
    let msg = prop::sample::select(vec![
        "system.connected",
        "system.interval",
        "system.network_state",
        "tracing.event",
    ]);
    let member = prop::sample::select(vec![
        "msg",
        "ts",
        "id",
        "payload",
        "name",
        "chain",
        "version",
        "authority",
        "startup_time",
        "implementation",
        "target",
        "state",
        "network_state",
    ]);
    let ts = prop::sample::select(vec![
        "0000-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59.999999999Z",
        "2016-12-31T23:59:60Z",
        "9999-12-31T23:59:59Z",
        "2026-11-22T08:27:33.575561215+05:30",
        "soon",
    ]);
    let report = (text(), vec((text(), value(), value()), 0..4)).prop_map(|(peer, others)| {
        let nodes = others.into_iter().map(|(peer, reputation, connected)| {
            (peer, json!({ "reputation": reputation, "connected": connected }))
        });
        json!({ "peerId": peer, "peerset": { "nodes": nodes.collect::<Map<_, _>>() } })
    });
    (msg, ts, text(), report, vec((member, value()), 0..3), 0_u8..4).prop_map(
        |(msg, ts, network_id, report, others, shape)| {
            let mut message = json!({ "msg": msg, "network_id": network_id, "state": report });
            for (name, value) in others {
                message[name] = value;
            }
            match shape {
                0 => message["ts"] = ts.into(),
                1 => message = json!({ "id": 7, "ts": ts, "payload": message }),
                _ => {}
            }
            message.to_string()
        },
    )
}

/// A number close to what `numeric` holds.
fn number() -> impl Strategy<Value = String> {
    let digits = |around: usize| {
        prop_oneof![2 => 1_usize..20, 1 => around - 2..around + 3]
            .prop_map(|count| "7".repeat(count))
    };
    let exponent = prop_oneof![
        -16_400_i32..-16_360,
        131_050_i32..131_075,
        -20_i32..20,
        Just(i32::MAX),
        Just(i32::MIN)
    ];
    let fraction = prop::option::of(digits(16_383));
    ("-?", digits(131_072), fraction, prop::option::of(exponent)).prop_map(
        |(sign, integer, fraction, exponent)| {
            let fraction = fraction.map(|digits| format!(".{digits}")).unwrap_or_default();
            let exponent = exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default();
            format!(r#"{{"n":{sign}{integer}{fraction}{exponent}}}"#)
        },
    )
}

/// A message of a real node's, damaged.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&str> = SAMPLES.iter().flat_map(|sample| sample.lines()).collect();
    let pieces: Vec<&[u8]> = vec![
        b"",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b"e9",
        b".",
        b" ",
        b"\0",
        b"\x1f",
        b"\xff",
        b"\xc3\xa4",
        b"\\u0000",
        b"\\ud83d\\ude00",
        b"\\ud83d",
        b"\\udc00",
        b"\\u00",
        b"null",
        b"{\"a\":[1e999]}",
        b"\"payload\":{},",
    ];
    let change = (any::<Index>(), 0_usize..4, prop::sample::select(pieces));
    (prop::sample::select(lines), vec(change, 1..3)).prop_map(|(line, changes)| {
        let mut bytes = line.as_bytes().to_vec();
        for (at, removed, piece) in changes {
            let at = at.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        bytes
    })
}

/// The first messages of this kind; every run makes the same ones.
fn some<T: AsRef<[u8]>>(
    messages: impl Strategy<Value = T>,
    runner: &mut test_runner::TestRunner,
) -> Vec<Vec<u8>> {
    (0..OF_EACH).map(|_| messages.new_tree(runner).unwrap().current().as_ref().to_vec()).collect()
}

#[tokio::test]
async fn what_is_accepted_is_stored_and_what_is_rejected_cannot_be() {
    let runner = &mut test_runner::TestRunner::deterministic();
    let messages = [
        some(value().prop_map(|value| value.to_string()), runner),
        some(value().prop_map(|value| format!("{:#}", json!({ "a": value }))), runner),
        some(known_message(), runner),
        some(number(), runner),
        some(damaged(), runner),
    ]
    .concat();

    let mut accepted = Vec::new();
    let mut rejected: BTreeMap<Reject, Vec<&[u8]>> = BTreeMap::new();
    let mut kept = messages.clone();
    for (original, bytes) in messages.iter().zip(&mut kept) {
        match message::parse(bytes) {
            Ok(message) => {
                let mut logs = Vec::new();
                message.logs.write(&mut logs);
                accepted.push(String::from_utf8(logs).unwrap());
            }
            Err(reason) => rejected.entry(reason).or_default().push(original),
        }
    }

    let most_nodes = messages.len().to_string();
    let pipeline = Pipeline::start_with(&[("MAX_NODES_PER_CONNECTION", &most_nodes)]);
    let mut node = pipeline.node("/").await;
    for message in &messages {
        node.send(message).await;
    }
    let stored = pipeline.settle(i64::try_from(messages.len()).unwrap()).await;
    let owner = pipeline.database.owner().await;
    let sql = "SELECT reason || ' ' || left(encode(sample, 'escape'), 500) FROM ingest_rejects
               WHERE reason LIKE 'refused%'";
    let refused = owner.query(sql, &[]).await.unwrap();
    let refused: Vec<String> = refused.iter().map(|row| row.get(0)).collect();
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(usize::try_from(stored).unwrap(), accepted.len());
    assert!(!pipeline.flush.log().contains("ERROR"), "{}", pipeline.flush.log());
    let sql = "SELECT count(*) FROM (
                   SELECT logs::jsonb FROM unnest($1::text[]) AS logs EXCEPT ALL SELECT logs FROM tetcore_logs
               ) AS missing";
    let missing: i64 = owner.query_one(sql, &[&accepted]).await.unwrap().get(0);
    assert_eq!(missing, 0, "each is stored as it came");

    let metrics = pipeline.ingest.get("/metrics").await.text();
    owner.batch_execute(include_str!("is_jsonb.sql")).await.unwrap();
    for (reason, samples) in rejected {
        let counter = format!("ingest_rejected_messages_total{{reason=\"{reason}\"}}");
        assert_eq!(usize::try_from(metric(&metrics, &counter)).unwrap(), samples.len(), "{reason}");
        let sql = "SELECT encode(document, 'escape') FROM unnest($1::bytea[]) AS document
                   WHERE is_jsonb(document)";
        let taken = owner.query(sql, &[&samples]).await.unwrap();
        let taken: Vec<String> = taken.iter().map(|row| row.get(0)).collect();
        match reason {
            Reject::InvalidUtf8 | Reject::NotJson | Reject::LoneSurrogate => {
                assert_eq!(taken, Vec::<String>::new(), "PostgreSQL takes what is {reason}");
            }
            Reject::NotAnObject => assert!(!taken.iter().any(|text| text.starts_with('{'))),
            // Zeros that change nothing are counted as digits, too.
            Reject::NumberOutOfRange => assert_eq!(taken, Vec::<String>::new()),
            // What reads messages back takes no more.
            Reject::NestedTooDeep => {}
        }
    }
}
