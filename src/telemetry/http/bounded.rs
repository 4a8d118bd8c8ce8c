//! A listener that cannot be filled up: its connections are bounded, and silent ones are closed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Accepts while it has a free slot; later connections wait in the system's queue.
pub struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    silence_max: Duration,
}

/// A connection that holds a slot, and ends when its peer sends nothing for too long.
pub struct Guarded {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    /// `connections_max` slots; a connection may be silent for `silence_max`.
    pub fn new(listener: TcpListener, connections_max: usize, silence_max: Duration) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(connections_max)), silence_max }
    }
}

impl Listener for Bounded {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        let room = self.room.clone().acquire_owned().await.ok(); // never closed
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (
            Guarded { stream, silence: Box::pin(sleep(self.silence_max)), silence_max: self.silence_max, _room: room },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        match Pin::new(&mut me.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                me.silence.as_mut().reset(Instant::now() + me.silence_max);
                Poll::Ready(read)
            }
            Poll::Pending => me.silence.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_makes_room_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut bounded = Bounded::new(listener, 1, Duration::from_millis(50));
        let address = Listener::local_addr(&bounded).unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        let (mut first, _) = bounded.accept().await;
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"hello").await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(1), bounded.accept()).await.is_err(),
            "there is room for one only"
        );
        let ended = first.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        drop(first);
        let (mut second, _) = tokio::time::timeout(Duration::from_secs(20), bounded.accept()).await.unwrap();
        let mut said = [0; 5];
        second.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
    }
}
