//! A telemetry node's socket, frame by frame, so that a test can send what no client library
//! would.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's end of a WebSocket.
pub struct Node {
    stream: TcpStream,
}

/// A frame that the server sent.
#[derive(Debug, Eq, PartialEq)]
pub struct Frame {
    /// RFC 6455, section 5.2.
    pub opcode: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a Close frame.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk()?;
        (self.opcode == 8).then(|| u16::from_be_bytes(*code))
    }
}

impl Node {
    /// Connects as a real node does: exactly these headers.
    pub async fn connect(address: &str, path: &str) -> Self {
        Self::connect_with(address, path, "").await.unwrap_or_else(|answer| panic!("{answer}"))
    }

    /// Connects with further header lines, each ending in `\r\n`.
    ///
    /// # Errors
    /// The server's answer, where it is not an upgrade.
    pub async fn connect_with(address: &str, path: &str, headers: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::shake_hands(stream, address, path, headers).await
    }

    /// Asks for the upgrade on a stream that is open.
    ///
    /// # Errors
    /// The server's answer, where it is not an upgrade.
    pub async fn shake_hands(
        mut stream: TcpStream,
        address: &str,
        path: &str,
        headers: &str,
    ) -> Result<Self, String> {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(error) => {
                    return Err(format!("{error} after {:?}", String::from_utf8_lossy(&answer)));
                }
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        if answer.starts_with("HTTP/1.1 101 ") {
            assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
            Ok(Self { stream })
        } else {
            Err(answer)
        }
    }

    /// Sends a message as one binary frame.
    pub async fn send(&mut self, message: impl AsRef<[u8]>) {
        self.frame(true, 2, message.as_ref()).await;
    }

    /// As [`send`](Self::send): whether everything was written.
    pub async fn try_send(&mut self, message: impl AsRef<[u8]>) -> bool {
        self.try_raw(&masked(true, 2, message.as_ref())).await
    }

    /// Sends a message as one text frame.
    pub async fn send_text(&mut self, message: impl AsRef<[u8]>) {
        self.frame(true, 1, message.as_ref()).await;
    }

    /// Sends one masked frame.
    pub async fn frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.raw(&masked(fin, opcode, payload)).await;
    }

    /// Sends bytes as they are. A server that has closed is no failure here: what it took is
    /// what a test counts.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// As [`raw`](Self::raw): whether everything was written.
    pub async fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame of the server's; none at the end.
    pub async fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => self.stream.read_u16().await.ok()?.into(),
            127 => usize::try_from(self.stream.read_u64().await.ok()?).unwrap(),
            short => short.into(),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame { opcode: head[0] & 0x0f, payload })
    }

    /// The code with which the server closes; pings before it are passed over.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let frame = self.receive().await?;
            if let Some(code) = frame.close_code() {
                return Some(code);
            }
        }
    }
}

/// A masked frame.
#[must_use]
pub fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..0x1_0000 => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
