//! Connections that speak HTTP/2 by hand, or nothing like it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(at: SocketAddr) -> Self {
        Self(TcpStream::connect(at).await.unwrap())
    }

    /// With the whole opening: preface and settings.
    pub async fn open(at: SocketAddr) -> Self {
        let mut raw = Self::connect(at).await;
        raw.send(PREFACE).await;
        raw.send(&frame(4, 0, 0, &[])).await;
        raw
    }

    /// A peer that hung up already is no error.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// Whether all of it was taken, in this time, by a peer that is there.
    pub async fn send_at_most(&mut self, bytes: &[u8], limit: Duration) -> bool {
        matches!(tokio::time::timeout(limit, self.0.write_all(bytes)).await, Ok(Ok(())))
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Waits until the peer hangs up.
    pub async fn closed(&mut self, limit: Duration) -> Result<(), tokio::time::error::Elapsed> {
        let mut buffer = vec![0; 1 << 16];
        tokio::time::timeout(limit, async { while self.0.read(&mut buffer).await.is_ok_and(|n| n > 0) {} }).await
    }
}

/// One frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole gRPC request: its headers and one message.
pub fn grpc_post(stream: u32, path: &str, message: &[u8]) -> Vec<u8> {
    let mut headers = vec![0x83, 0x86]; // :method POST, :scheme http
    for (name, value) in
        [(":path", path), (":authority", "florin"), ("content-type", "application/grpc"), ("te", "trailers")]
    {
        headers.push(0); // literal, never indexed by us
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).unwrap());
            headers.extend(text.as_bytes());
        }
    }
    let mut request = frame(1, 4, stream, &headers); // END_HEADERS
    request.extend(frame(0, 1, stream, message)); // END_STREAM
    request
}

/// The same for the same seed.
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
