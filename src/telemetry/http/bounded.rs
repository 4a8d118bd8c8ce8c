//! A listener that cannot be filled up: its connections are bounded, and those are closed that are silent, or do not go
//! on with what they began.

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
    request_max: Duration,
}

/// A connection that holds a slot, and ends when it takes too long.
pub struct Guarded {
    stream: TcpStream,
    /// When the peer must have sent a whole request, or have read what was written to it.
    deadline: Pin<Box<Sleep>>,
    /// It was answered, and has sent nothing since.
    is_idle: bool,
    silence_max: Duration,
    request_max: Duration,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    /// `connections_max` slots. A connection may be silent for `silence_max` between two requests; a request may take
    /// `request_max` to arrive, the first counted from the beginning, and as long to be read of its answer.
    pub fn new(
        listener: TcpListener,
        connections_max: usize,
        (silence_max, request_max): (Duration, Duration),
    ) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(connections_max)), silence_max, request_max }
    }
}

impl Listener for Bounded {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        let room = self.room.clone().acquire_owned().await.ok(); // never closed
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let (deadline, silence_max) = (Box::pin(sleep(self.request_max)), self.silence_max);
        let guarded =
            Guarded { stream, deadline, is_idle: false, silence_max, request_max: self.request_max, _room: room };
        (guarded, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Guarded {
    fn timed_out<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        let read = Pin::new(&mut me.stream).poll_read(context, buffer);
        if read.is_ready() && std::mem::take(&mut me.is_idle) {
            me.deadline.as_mut().reset(Instant::now() + me.request_max);
        }
        // asked also when bytes came: one now and then does not make a request
        match me.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => read,
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        let written = Pin::new(&mut me.stream).poll_write(context, bytes);
        match written {
            Poll::Ready(_) => {
                me.deadline.as_mut().reset(Instant::now() + me.silence_max);
                me.is_idle = true;
                written
            }
            Poll::Pending if std::mem::take(&mut me.is_idle) => {
                me.deadline.as_mut().reset(Instant::now() + me.request_max);
                me.timed_out(context)
            }
            Poll::Pending => me.timed_out(context),
        }
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
        let mut bounded = Bounded::new(listener, 1, (Duration::from_secs(60), Duration::from_millis(500)));
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

    /// Fails when a request may take longer if a byte comes now and then, and when a scraper that waits between two
    /// requests is cut.
    #[tokio::test]
    async fn a_request_comes_in_time_and_a_scraper_may_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut bounded = Bounded::new(listener, 2, (Duration::from_secs(60), Duration::from_secs(1)));
        let address = Listener::local_addr(&bounded).unwrap();
        let mut scraper = TcpStream::connect(address).await.unwrap();
        scraper.write_u8(b'G').await.unwrap();
        let (mut scraped, _) = bounded.accept().await;
        scraped.read_u8().await.unwrap();
        scraped.write_u8(b'H').await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        let (mut answering, _) = bounded.accept().await;
        let (ended, ()) = tokio::join!(
            async {
                loop {
                    if let Err(error) = answering.read_u8().await {
                        break error;
                    }
                }
            },
            async {
                let mut every = tokio::time::interval(Duration::from_millis(200));
                for _ in 0..10 {
                    every.tick().await;
                    if slow.write_u8(b'x').await.is_err() {
                        break;
                    }
                }
            }
        );
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        scraper.write_u8(b'G').await.unwrap();
        assert_eq!(scraped.read_u8().await.unwrap(), b'G', "it was silent for longer than a request may take");
    }
}
