//! The server's side of a WebSocket (RFC 6455) that mostly receives: a decoder over bytes that
//! were read elsewhere, and the few frames that are sent back.
//!
//! The handshake, the unmasking and the codes are fastwebsockets'. Its reader is not used: it
//! reserves what a frame's header promises, never shrinks its buffer, does not bound fragmented
//! messages and cannot be cancelled (0.10); and thousands of idle connections need none of what
//! it holds for each.

pub use fastwebsockets::CloseCode;
use fastwebsockets::OpCode;

/// The most bytes of payload that a control frame has.
const CONTROL_PAYLOAD: usize = 125;

/// The default of `HEARTBEAT_INTERVAL`, in seconds.
#[must_use]
pub fn default_heartbeat_interval() -> u64 {
    5
}

/// The default of `CLIENT_TIMEOUT_S`.
#[must_use]
pub fn default_client_timeout_s() -> u64 {
    10
}

/// What a decoder found.
#[derive(Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// A whole message, text or binary. It may be changed in place.
    Message(&'a mut [u8]),
    /// A ping, to be answered with this payload.
    Ping(&'a [u8]),
    /// The peer closes.
    Close,
    /// Something that needs no answer: a pong, or a part of a message.
    Other,
}

/// Why nothing more can be decoded.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// The frame is not as RFC 6455 wants it.
    #[error("{0}")]
    Protocol(&'static str),
    /// A message is larger than the limit.
    #[error("a message is larger than the limit")]
    TooLarge {
        /// Its size, as far as it was announced.
        size: usize,
        /// Its first bytes.
        sample: Vec<u8>,
    },
}

/// Finds messages in what a client sends.
#[derive(Debug)]
pub struct Decoder {
    most_bytes: usize,
    sample_bytes: usize,
    fragments: Fragments,
}

/// A message that comes in several frames.
#[derive(Debug)]
enum Fragments {
    None,
    Open(Vec<u8>),
    /// The last fragment came, and the message was handed out.
    Complete(Vec<u8>),
}

impl Decoder {
    /// A decoder of messages of at most `most_bytes`, fragmented or not. Of a larger one, the
    /// first `sample_bytes` are awaited before it is refused.
    #[must_use]
    pub fn new(most_bytes: usize, sample_bytes: usize) -> Self {
        Self { most_bytes, sample_bytes, fragments: Fragments::None }
    }

    /// Bytes that it holds of a message whose end has not come.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.fragments {
            Fragments::Open(bytes) | Fragments::Complete(bytes) => bytes.capacity(),
            Fragments::None => 0,
        }
    }

    /// Decodes the first frame in `input`: how many bytes it took, and what it was; nothing
    /// while its end has not come.
    ///
    /// # Errors
    /// The connection cannot go on.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        if matches!(self.fragments, Fragments::Complete(_)) {
            self.fragments = Fragments::None;
        }
        let Some(head) = Head::read(input)? else {
            return Ok(None);
        };
        if !head.is_control() && head.payload + self.open().len() > self.most_bytes {
            return self.too_large(&head, input).map_or(Ok(None), Err);
        }
        let end = head.size + head.payload;
        let Some(payload) = input.get_mut(head.size..end) else {
            return Ok(None);
        };
        fastwebsockets::unmask(payload, head.mask);
        let event = match head.opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Pong => Event::Other,
            OpCode::Close => Event::Close,
            OpCode::Continuation => self.continued(head.fin, payload)?,
            OpCode::Text | OpCode::Binary => {
                if matches!(self.fragments, Fragments::Open(_)) {
                    return Err(Violation::Protocol("a message began inside another"));
                }
                if head.fin {
                    Event::Message(payload)
                } else {
                    self.fragments = Fragments::Open(payload.to_vec());
                    Event::Other
                }
            }
        };
        Ok(Some((end, event)))
    }

    fn continued(&mut self, fin: bool, payload: &[u8]) -> Result<Event<'_>, Violation> {
        let Fragments::Open(bytes) = &mut self.fragments else {
            return Err(Violation::Protocol("a continuation of nothing"));
        };
        bytes.extend_from_slice(payload);
        if !fin {
            return Ok(Event::Other);
        }
        self.fragments = Fragments::Complete(std::mem::take(bytes));
        match &mut self.fragments {
            Fragments::Complete(message) => Ok(Event::Message(message)),
            _ => Ok(Event::Other),
        }
    }

    fn open(&self) -> &[u8] {
        match &self.fragments {
            Fragments::Open(bytes) => bytes,
            _ => &[],
        }
    }

    /// The refusal of a message, once enough of it is there to be kept.
    fn too_large(&self, head: &Head, input: &mut [u8]) -> Option<Violation> {
        let before = self.open();
        let wanted = self.sample_bytes.saturating_sub(before.len()).min(head.payload);
        let payload = input.get_mut(head.size..head.size + wanted)?;
        fastwebsockets::unmask(payload, head.mask);
        let mut sample = before[..before.len().min(self.sample_bytes)].to_vec();
        sample.extend_from_slice(payload);
        Some(Violation::TooLarge { size: head.payload.saturating_add(before.len()), sample })
    }
}

/// A frame's header (section 5.2).
struct Head {
    fin: bool,
    opcode: OpCode,
    mask: [u8; 4],
    /// Bytes of the header.
    size: usize,
    /// Bytes of the payload, at most half of what a `usize` holds.
    payload: usize,
}

impl Head {
    fn read(input: &[u8]) -> Result<Option<Self>, Violation> {
        let Some(&[first, second]) = input.first_chunk() else {
            return Ok(None);
        };
        let fin = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("no extension was negotiated"));
        }
        let opcode = OpCode::try_from(first & 0x0f)
            .map_err(|_| Violation::Protocol("the opcode is unknown"))?;
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a client must mask its frames"));
        }
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let size = 2 + extended + 4;
        let Some(rest) = input.get(2..size) else {
            return Ok(None);
        };
        let (length, mask) = rest.split_at(extended);
        let payload = match extended {
            0 => u64::from(second & 0x7f),
            _ => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let head = Self {
            fin,
            opcode,
            mask: mask.try_into().unwrap_or_default(),
            size,
            payload: usize::try_from(payload).unwrap_or(usize::MAX).min(usize::MAX >> 1),
        };
        if head.is_control() && (!fin || head.payload > CONTROL_PAYLOAD) {
            return Err(Violation::Protocol("a control frame is short and whole"));
        }
        Ok(Some(head))
    }

    fn is_control(&self) -> bool {
        matches!(self.opcode, OpCode::Close | OpCode::Ping | OpCode::Pong)
    }
}

/// Appends a text message in one frame.
pub fn text(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x80 | OpCode::Text as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a ping without payload.
pub fn ping(out: &mut Vec<u8>) {
    control(out, OpCode::Ping, &[]);
}

/// Appends the answer to a ping.
pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, OpCode::Pong, payload);
}

/// Appends a Close frame with a reason of at most 123 bytes.
pub fn close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut payload = u16::from(code).to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    control(out, OpCode::Close, &payload);
}

fn control(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD)];
    out.push(0x80 | opcode as u8);
    out.extend(u8::try_from(payload.len()));
    out.extend_from_slice(payload);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::from(fin) << 7 | opcode];
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => bytes.push(0x80 | short),
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// All messages in `input`, which comes in pieces of these sizes.
    fn messages(input: &[u8], pieces: &[usize], most: usize) -> Result<Vec<Vec<u8>>, Violation> {
        let mut decoder = Decoder::new(most, 8);
        let mut found = Vec::new();
        let mut buffer = Vec::new();
        let mut sizes = pieces.iter().copied().cycle();
        let mut rest = input;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
            rest = behind;
            buffer.extend_from_slice(piece);
            while let Some((taken, event)) = decoder.decode(&mut buffer)? {
                if let Event::Message(message) = event {
                    found.push(message.to_vec());
                }
                buffer.drain(..taken);
            }
        }
        assert!(buffer.is_empty(), "all of it was understood");
        Ok(found)
    }

    proptest! {
        #[test]
        fn messages_come_back_however_they_are_cut(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8),
            fragment in 1_usize..200,
            pieces in proptest::collection::vec(1_usize..400, 1..8),
        ) {
            let mut wire = Vec::new();
            for message in &sent {
                let parts: Vec<&[u8]> =
                    if message.is_empty() { vec![&[]] } else { message.chunks(fragment).collect() };
                for (index, part) in parts.iter().enumerate() {
                    let opcode = if index == 0 { 2 } else { 0 };
                    wire.extend(frame(index + 1 == parts.len(), opcode, part));
                    wire.extend(frame(true, 9, b"between fragments"));
                }
            }
            prop_assert_eq!(messages(&wire, &pieces, 300).unwrap(), sent);
        }

        #[test]
        fn no_input_is_a_panic(input in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut input = input;
            let mut decoder = Decoder::new(50, 8);
            let mut rest = input.as_mut_slice();
            while let Ok(Some((taken, _))) = decoder.decode(rest) {
                rest = &mut rest[taken..];
            }
        }
    }

    #[test]
    fn limits_hold_for_frames_and_for_fragments() {
        assert_eq!(messages(&frame(true, 1, &[b'x'; 10]), &[3], 10).unwrap().len(), 1);
        let whole = frame(true, 1, &[b'x'; 11]);
        let parts = [frame(false, 1, &[b'x'; 6]), frame(true, 0, &[b'x'; 5])].concat();
        for wire in [whole, parts] {
            let refused = messages(&wire, &[4], 10).unwrap_err();
            assert_eq!(refused, Violation::TooLarge { size: 11, sample: vec![b'x'; 8] });
        }
        // A header alone promises much and reserves nothing.
        let promise = [&[0x82, 0xff], u64::MAX.to_be_bytes().as_slice(), &MASK].concat();
        assert_eq!(Decoder::new(10, 8).decode(&mut promise.clone()), Ok(None));
    }

    #[test]
    fn what_rfc_6455_forbids_is_refused() {
        for (wire, word) in [
            (vec![0x82, 0x01, b'x'], "mask"),
            (frame(true, 3, b""), "opcode"),
            (vec![0xc2, 0x80, 0, 0, 0, 0], "extension"),
            (frame(false, 9, b""), "control"),
            (frame(true, 9, &[0; 126]), "control"),
            (frame(true, 0, b""), "nothing"),
            ([frame(false, 2, b""), frame(true, 2, b"")].concat(), "inside"),
        ] {
            let refused = messages(&wire, &[100], 1000).unwrap_err();
            assert!(
                matches!(refused, Violation::Protocol(why) if why.contains(word)),
                "{refused:?}"
            );
        }
    }
}
