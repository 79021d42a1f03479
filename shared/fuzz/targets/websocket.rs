//! Any bytes on a WebSocket: wherever the network cuts them, they are the same messages, within the
//! limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::ws::{Decoder, Event, Violation};

const MOST_BYTES: usize = 300;
const SAMPLE_BYTES: usize = 40;

#[derive(Debug, Eq, PartialEq)]
enum Seen {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Close,
    Other,
}

// The first bytes say where to cut what follows.
fuzz_target!(|input: &[u8]| {
    let Some((cuts, wire)) = input.split_first_chunk::<4>() else {
        return;
    };
    let whole = decode(&[wire]);
    let mut pieces = Vec::new();
    let mut rest = wire;
    for size in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(usize::from(*size).clamp(1, rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    assert_eq!(decode(&pieces), whole);
});

/// What is found in bytes that come in these pieces, and what is left or wrong in the end.
fn decode(pieces: &[&[u8]]) -> (Vec<Seen>, Result<usize, Violation>) {
    let mut decoder = Decoder::new(MOST_BYTES, SAMPLE_BYTES);
    let mut seen = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let taken = match decoder.decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some((taken, event))) => {
                    seen.push(match event {
                        Event::Message(message) => {
                            assert!(message.len() <= MOST_BYTES);
                            Seen::Message(message.to_vec())
                        }
                        Event::Ping(payload) => {
                            assert!(payload.len() <= 125);
                            Seen::Ping(payload.to_vec())
                        }
                        Event::Close => Seen::Close,
                        Event::Other => Seen::Other,
                    });
                    taken
                }
                Err(violation) => {
                    if let Violation::TooLarge { size, sample } = &violation {
                        assert!(*size > MOST_BYTES && sample.len() <= SAMPLE_BYTES);
                    }
                    return (seen, Err(violation));
                }
            };
            // Memory doubles as a message grows, and no more.
            assert!(decoder.held_bytes() <= 2 * MOST_BYTES);
            buffer.drain(..taken);
        }
    }
    (seen, Ok(buffer.len()))
}
