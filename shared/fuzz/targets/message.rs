//! Any bytes as a message: what is taken can be read back, and a refusal's reason is the right one.
#![no_main]

use std::{borrow::Cow, collections::HashMap};

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use shared::{
    message::{self, Reject},
    target,
};

fuzz_target!(|input: &[u8]| {
    let is_json = serde_json::from_slice::<IgnoredAny>(input).is_ok();
    let mut bytes = input.to_vec();
    match message::parse(&mut bytes) {
        Ok(message) => {
            assert!(is_json);
            let mut logs = Vec::new();
            message.logs.write(&mut logs);
            assert_eq!(logs.len(), message.logs.len());

            let members: HashMap<Cow<str>, &RawValue> = serde_json::from_slice(&logs).unwrap();
            let text = |name: &str| {
                let text = members.get(name).map(|value| value.get())?;
                serde_json::from_str::<String>(text).ok()
            };
            assert_eq!(message.msg.as_deref(), text("msg").as_deref());
            assert_eq!(message.repaired, message::parse(&mut input.to_vec()).unwrap().repaired);
            let own = target::candidates(&logs)
                .filter_map(target::text)
                .any(|found| Some(found.as_ref()) == text("target").as_deref());
            assert_eq!(own, text("target").is_some());
            let identity = message.identity();
            if message.announces_node() {
                let peer_id = text("network_id").filter(|id| (1..=128).contains(&id.len()));
                assert_eq!(identity.map(|identity| identity.peer_id), peer_id);
            }

            // What is stored is a message that needs no repair.
            assert!(!message::parse(&mut logs).unwrap().repaired);
        }
        Err(Reject::InvalidUtf8) => assert!(std::str::from_utf8(input).is_err()),
        Err(Reject::NotJson) => assert!(!is_json),
        Err(Reject::NotAnObject) => assert!(is_json),
        // Found before the end, of which nothing is known.
        Err(Reject::LoneSurrogate) => assert!(contains(input, b"\\u")),
        Err(Reject::NumberOutOfRange) => {
            assert!(contains(input, b"e") || contains(input, b"E") || input.len() > 16_383)
        }
        Err(Reject::NestedTooDeep) => assert!(input.len() > 127),
    }
});

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
