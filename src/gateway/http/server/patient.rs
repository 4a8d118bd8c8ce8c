//! A connection whose peer must go on with what it began: one that reads nothing of its answers for too long is cut, or
//! they would stay in memory, and so is one whose request does not come to the end of its head.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a peer may take nothing of what is written to it.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The connection.
pub struct Patient<S> {
    stream: S,
    /// Since a write had to wait: when that is too long.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Since the first byte of a request's head: when its last must have come, and in which turn.
    head: Option<(usize, Pin<Box<Sleep>>)>,
    head_timeout: Duration,
    turn: Turn,
}

/// Whose turn it is to say something; clones share it.
#[derive(Clone, Default)]
pub struct Turn(Arc<Flags>);

#[derive(Default)]
struct Flags {
    stalled: AtomicBool,
    /// Counts turns: an odd one is the caller's, and what comes in it belongs to the head of a request.
    number: AtomicUsize,
}

impl Turn {
    /// Whether a write waits now for the peer to read.
    pub fn is_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Acquire)
    }

    /// The next thing to come is a request.
    pub fn is_callers(&self) {
        self.0.number.store((self.number() + 1) | 1, Ordering::Release);
    }

    /// A request's head is there.
    pub fn is_ours(&self) {
        self.0.number.store((self.number() | 1) + 1, Ordering::Release);
    }

    fn number(&self) -> usize {
        self.0.number.load(Ordering::Acquire)
    }
}

impl<S> Patient<S> {
    /// Around a stream; a head may take so long.
    pub fn new(stream: S, head_timeout: Duration) -> Self {
        Self { stream, stalled: None, head: None, head_timeout, turn: Turn::default() }
    }

    /// Whose turn it is; at first nobody's.
    pub fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// Looks at how a write went; one that waits for too long has failed.
    fn watch<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.turn.0.stalled.store(written.is_pending(), Ordering::Release);
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
        stalled.as_mut().poll(context).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let turn = self.turn.number();
        self.head.take_if(|(began, _)| *began != turn || turn.is_multiple_of(2));
        if self.head.is_none() && !turn.is_multiple_of(2) && buffer.filled().len() > before {
            self.head = Some((turn, Box::pin(sleep(self.head_timeout))));
        }
        // asked also when bytes came: one now and then does not make a head
        let is_late = self.head.as_mut().is_some_and(|(_, head)| head.as_mut().poll(context).is_ready());
        if is_late {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "half a request's head, and no more")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HEAD_MAX: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_cut_and_one_that_reads_slowly_is_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Patient::new(near, HEAD_MAX);
        let reading = async {
            let mut bytes = [0; 8];
            for byte in &mut bytes {
                tokio::time::sleep(STALL_MAX - Duration::from_secs(1)).await;
                *byte = far.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(b"12345678"), reading);
        written.unwrap();
        assert_eq!(near.write_all(b"123456789").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// Fails when a head may take longer if a byte comes now and then, when the time of one request's head runs on into
    /// the next, or when silence and bodies count.
    #[tokio::test(start_paused = true)]
    async fn a_head_ends_in_time_while_silence_and_bodies_may_take_longer() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Patient::new(near, HEAD_MAX);
        let turn = near.turn();
        for _ in 0..3 {
            turn.is_callers();
            let silent = tokio::time::timeout(HEAD_MAX * 3, near.read_u8()).await;
            assert!(silent.is_err(), "it is only silent");
            far.write_u8(b'G').await.unwrap();
            near.read_u8().await.unwrap();
            turn.is_ours();
            let body = tokio::time::timeout(HEAD_MAX * 3, near.read_u8()).await;
            assert!(body.is_err(), "its body is slow");
        }
        turn.is_callers();
        let (read, ()) = tokio::join!(
            async {
                loop {
                    match near.read_u8().await {
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                }
            },
            async {
                for _ in 0..4 {
                    far.write_u8(b'x').await.unwrap();
                    tokio::time::sleep(HEAD_MAX / 3).await;
                }
            }
        );
        assert_eq!(read.kind(), io::ErrorKind::TimedOut);
    }
}
