//! A stream of events outlives the request for it by hours, and thousands may be idle at a time. So it is taken out of
//! the hands of the HTTP library, which keeps two buffers of 8 KiB for each connection, and written here; an idle one
//! then has no buffer at all.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::response::Parts;
use axum::http::{Method, Request, Response, Version, header};
use futures::{FutureExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use crate::protocol::record::now_micros;

/// Bytes of what is ready that are written at once.
const WRITE_MAX: usize = 32 << 10;

/// Marks a response: its body goes on until somebody leaves. What is written when this process stops is the last it
/// says.
#[derive(Clone, Copy)]
pub struct Endless(pub &'static str);

/// The service's way to tell its connection that the response is [`Handed`].
#[derive(Debug, thiserror::Error)]
#[error("the connection is no longer the library's")]
pub struct TakenOver;

/// Where the service of a connection puts a response that is to be written here.
#[derive(Clone, Default)]
pub struct Handed(Arc<Mutex<Option<Box<Stream>>>>);

/// A response of endless body.
pub struct Stream {
    head: Parts,
    body: Body,
    last: &'static str,
    chunked: bool,
}

/// What of a request tells whether its response may be taken over.
#[derive(Clone, Copy)]
pub struct Asked {
    has_body: bool,
    chunked: bool,
}

impl Asked {
    /// Looks at a request.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self { has_body: request.method() == Method::GET, chunked: request.version() >= Version::HTTP_11 }
    }
}

impl Handed {
    /// Keeps an endless response back, and answers any other.
    ///
    /// # Errors
    /// `TakenOver` when it was kept.
    pub fn offer(&self, asked: Asked, response: Response<Body>) -> Result<Response<Body>, TakenOver> {
        let Some(Endless(last)) = response.extensions().get().copied().filter(|_| asked.has_body) else {
            return Ok(response);
        };
        let (head, body) = response.into_parts();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Box::new(Stream { head, body, last, chunked: asked.chunked }));
        Err(TakenOver)
    }

    /// What was kept.
    pub fn take(&self) -> Option<Box<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Stream {
    /// Writes it until it ends, the client leaves or this process stops. What the client says meanwhile is not listened
    /// to.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn write(
        self: Box<Self>,
        mut connection: impl AsyncRead + AsyncWrite + Unpin,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let Self { head, body, last, chunked } = *self;
        connection.write_all(&head_bytes(&head, chunked)).await?;
        connection.flush().await?;
        drop(head);
        let (mut frames, mut ended, mut ignored) = (body.into_data_stream(), false, [0; 64]);
        while !ended {
            let mut bytes = Vec::new();
            tokio::select! {
                frame = frames.next() => {
                    let mut next = Some(frame);
                    while let Some(frame) = next.take() {
                        match frame {
                            Some(Ok(frame)) => push(&mut bytes, &frame, chunked),
                            Some(Err(_)) | None => ended = true,
                        }
                        next = if ended || bytes.len() >= WRITE_MAX { None } else { frames.next().now_or_never() };
                    }
                }
                read = connection.read(&mut ignored) => match read? {
                    0 => return Ok(()),
                    _ => continue,
                },
                _ = stopped.wait_for(|stopped| *stopped) => {
                    push(&mut bytes, last.as_bytes(), chunked);
                    ended = true;
                }
            }
            if ended && chunked {
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            connection.write_all(&bytes).await?;
            connection.flush().await?;
        }
        connection.shutdown().await
    }
}

/// A part of the body as it goes over the wire.
fn push(bytes: &mut Vec<u8>, part: &[u8], chunked: bool) {
    if part.is_empty() {
        return; // in chunks that would be the end
    }
    if chunked {
        bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
    }
    bytes.extend_from_slice(part);
    if chunked {
        bytes.extend_from_slice(b"\r\n");
    }
}

/// The connection ends with the body: whoever has watched for hours loses nothing by it.
fn head_bytes(head: &Parts, chunked: bool) -> Vec<u8> {
    let status = head.status;
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).into_bytes();
    let own = [header::CONNECTION, header::TRANSFER_ENCODING, header::DATE];
    for (name, value) in head.headers.iter().filter(|(name, _)| !own.contains(name)) {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let date = now_micros().format("%a, %d %b %Y %H:%M:%S GMT");
    let framing = if chunked { "transfer-encoding: chunked\r\n" } else { "" };
    bytes.extend_from_slice(format!("date: {date}\r\nconnection: close\r\n{framing}\r\n").as_bytes());
    bytes
}
