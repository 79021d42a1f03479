//! Envelopes: any bytes are refused or add up, and what was sealed comes out as it went in.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use lz4_flex::block;
use shared::{
    envelope::{Builder, Envelope},
    message,
    row::{self, Log, Peer, Rejected, Tuple},
};

fuzz_target!(|input: &[u8]| {
    open(input);
    // Behind a header, what it announces would seldom be a block of lz4.
    if let Some((header, body)) = input.split_at_checked(48) {
        open(&[header, &block::compress(body)].concat());
    }
    seal(input);
});

/// Whatever came out of Redis.
fn open(input: &[u8]) {
    let Ok(envelope) = Envelope::open(input) else {
        return;
    };
    for section in [&envelope.rows, &envelope.rejects] {
        let read: usize = row::tuples(section).map(<[u8]>::len).sum();
        assert!(read <= section.len());
    }
    for tuple in row::tuples(&envelope.rows).filter_map(Tuple::read) {
        let _ = (tuple.hour(), tuple.counted_msg());
    }
    row::number(&mut envelope.rows.to_vec(), 100);
}

/// A message a line: those that can be stored become rows, and the others rejects.
fn seal(input: &[u8]) {
    let mut builder = Builder::default();
    let mut stored = Vec::new();
    let mut rejected = 0;
    for (number, line) in (0_i64..).zip(input.split(|byte| *byte == b'\n')) {
        match message::parse(&mut line.to_vec()) {
            Ok(message) => {
                let log = Log {
                    created_at: number,
                    peer_connection_id: 7,
                    node_id: (number % 2 == 0).then_some(number),
                    audit: number % 3 == 0,
                    msg: message.msg.as_deref(),
                    logs: message.logs,
                };
                builder.log(&log);
                let mut logs = Vec::new();
                message.logs.write(&mut logs);
                stored.push((number, message.msg.map(|msg| msg.into_owned()), logs));
            }
            Err(reject) => {
                builder.reject(&Rejected {
                    created_at: number,
                    reason: &reject.to_string(),
                    ip_addr: "::1",
                    peer_connection_id: None,
                    stored: false,
                    size: line.len(),
                    sample: line,
                });
                rejected += 1;
            }
        }
    }
    let peer = Peer::new(7, "::1".to_owned(), false, DateTime::UNIX_EPOCH);
    builder.peer(&peer).unwrap();
    let announced = builder.len();
    let mut sealed = builder.seal(12);
    assert!(sealed.bytes.len() == announced || stored.is_empty());
    sealed.pack(100);

    let envelope = Envelope::open(&sealed.bytes).unwrap();
    assert_eq!((envelope.sealed_at, envelope.rejected), (12, rejected));
    assert_eq!(envelope.messages as usize, stored.len());
    assert_eq!(row::tuples(&envelope.rejects).count(), rejected as usize);
    let tuples: Vec<Tuple> =
        row::tuples(&envelope.rows).map(|tuple| Tuple::read(tuple).unwrap()).collect();
    assert_eq!(tuples.len(), stored.len());
    for ((id, tuple), (number, msg, logs)) in (100..).zip(tuples).zip(stored) {
        assert_eq!((tuple.id, tuple.created_at, tuple.peer_connection_id), (id, number, 7));
        assert_eq!(tuple.node_id, (number % 2 == 0).then_some(number));
        assert_eq!(tuple.audit, number % 3 == 0);
        assert_eq!(tuple.msg, msg.as_deref().map(str::as_bytes));
        assert_eq!(tuple.logs, logs);
        let counted = tuple.counted_msg().map(|msg| std::str::from_utf8(msg).unwrap());
        assert_eq!(counted.map(str::to_owned), msg.map(|msg| msg.chars().take(256).collect()));
    }
}
