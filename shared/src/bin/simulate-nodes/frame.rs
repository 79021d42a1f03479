//! WebSocket frames as a client sends them: final, binary, masked with a key of their own.

use std::ops::Range;

const FINAL_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
/// In place of a length: it follows in 16 or in 64 bits.
const LENGTH_IN_16_BITS: u8 = 126;
const LENGTH_IN_64_BITS: u8 = 127;
const KEY_BYTES: usize = 4;

/// Frames that go out in one write, and how far they have gone.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    written: usize,
    /// End of the last frame that was written whole.
    whole: usize,
}

impl Batch {
    /// Adds the message that `compose` appends. `expected` is its likely length: the header's size depends
    /// on the length, and a wrong guess costs a move of the payload.
    pub(crate) fn push(&mut self, key: u32, expected: usize, compose: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        let guess = start + header_size(expected);
        self.bytes.resize(guess, 0);
        compose(&mut self.bytes);

        let payload = guess..self.bytes.len();
        let header = header_size(payload.len());
        let key = key.to_be_bytes();
        self.relocate(payload.clone(), start + header);
        write_header(&mut self.bytes[start..start + header], payload.len() as u64, key);
        mask(&mut self.bytes[start + header..], key);
    }

    fn relocate(&mut self, payload: Range<usize>, to: usize) {
        if payload.start != to {
            let end = to + payload.len();
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes.copy_within(payload, to);
            self.bytes.truncate(end);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Notes that `count` more bytes were written; returns how many frames became whole by that.
    pub(crate) fn advance(&mut self, count: usize) -> u64 {
        self.written += count;
        let mut frames = 0;
        while self.whole < self.written {
            let end = self.whole + frame_size(&self.bytes[self.whole..]);
            if end > self.written {
                break;
            }
            self.whole = end;
            frames += 1;
        }
        frames
    }

    /// Forgets everything; returns how many frames were never written whole.
    pub(crate) fn clear(&mut self) -> u64 {
        let unsent = self.advance(self.unwritten().len());
        self.bytes.clear();
        self.written = 0;
        self.whole = 0;
        unsent
    }
}

fn header_size(payload: usize) -> usize {
    KEY_BYTES
        + match payload {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        }
}

#[allow(clippy::cast_possible_truncation)] // each arm's range fits its type
fn write_header(header: &mut [u8], payload: u64, key: [u8; KEY_BYTES]) {
    header[0] = FINAL_BINARY;
    let key_start = header.len() - KEY_BYTES;
    match payload {
        0..126 => header[1] = MASKED | payload as u8,
        126..0x1_0000 => {
            header[1] = MASKED | LENGTH_IN_16_BITS;
            header[2..key_start].copy_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            header[1] = MASKED | LENGTH_IN_64_BITS;
            header[2..key_start].copy_from_slice(&payload.to_be_bytes());
        }
    }
    header[key_start..].copy_from_slice(&key);
}

/// Size of the first of `frames`, which starts with a header of ours.
fn frame_size(frames: &[u8]) -> usize {
    let payload = match (frames[1] & !MASKED, &frames[2..]) {
        (LENGTH_IN_16_BITS, &[a, b, ..]) => usize::from(u16::from_be_bytes([a, b])),
        (LENGTH_IN_64_BITS, &[_, _, _, _, a, b, c, d, ..]) => {
            u32::from_be_bytes([a, b, c, d]) as usize
        }
        (small, _) => usize::from(small),
    };
    header_size(payload) + payload
}

/// Word by word: a client's masking is real work for the server, but should be little for us.
fn mask(payload: &mut [u8], key: [u8; KEY_BYTES]) {
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads the first frame as a server would: its payload and what follows it.
    fn decode(frame: &[u8]) -> (Vec<u8>, &[u8]) {
        assert_eq!(frame[0], FINAL_BINARY);
        assert_eq!(frame[1] & MASKED, MASKED);
        let (size, at) = match frame[1] & !MASKED {
            LENGTH_IN_16_BITS => (frame[2..4].iter(), 4),
            LENGTH_IN_64_BITS => (frame[2..10].iter(), 10),
            _ => (frame[1..2].iter(), 2),
        };
        let size = size.fold(0, |size, byte| {
            size << 8 | usize::from(if at == 2 { byte & !MASKED } else { *byte })
        });
        let key = &frame[at..at + KEY_BYTES];
        let (payload, rest) = frame[at + KEY_BYTES..].split_at(size);
        let payload = payload.iter().zip(key.iter().cycle());
        (payload.map(|(byte, key)| byte ^ key).collect(), rest)
    }

    /// The messages of all whole frames.
    #[allow(clippy::unwrap_used)]
    pub(crate) fn decode_all(mut frames: &[u8]) -> Vec<String> {
        let mut messages = Vec::new();
        while frames.len() > 14 && frame_size(frames) <= frames.len() {
            let (message, rest) = decode(frames);
            messages.push(String::from_utf8(message).unwrap());
            frames = rest;
        }
        messages
    }

    #[test]
    fn frames_decode_whatever_length_was_expected() {
        for size in [0, 1, 7, 125, 126, 300, 65_535, 65_536, 200_003] {
            for expected in [0, 300, 70_000] {
                let message: Vec<u8> = (0..size).map(|i: usize| i.to_le_bytes()[0]).collect();
                let mut batch = Batch::default();
                batch.push(0x1234_5678, expected, |out| out.extend_from_slice(&message));
                batch.push(0x9abc_def0, expected, |out| out.extend_from_slice(&message));
                let (first, rest) = decode(batch.unwritten());
                let (second, rest) = decode(rest);
                assert!(first == message && second == message && rest.is_empty());
            }
        }
    }

    #[test]
    fn only_whole_frames_count_as_sent() {
        let mut batch = Batch::default();
        for size in [10, 300, 70_000] {
            batch.push(1, size, |out| out.resize(out.len() + size, b'x'));
        }
        assert_eq!(batch.len(), 16 + 308 + 70_014);
        assert_eq!(batch.advance(15), 0);
        assert_eq!(batch.advance(1), 1);
        assert_eq!(batch.advance(308), 1);
        assert_eq!(batch.advance(70_013), 0);
        assert_eq!(batch.clear(), 1);
        assert_eq!((batch.len(), batch.clear()), (0, 0));
    }
}
