//! Connections: their number is bounded, and each must send something soon. A client that opens one and stays silent
//! costs a little memory for a few seconds, and nothing else.

use crate::telemetry::metrics::SHED_REQUESTS;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Every connection of HTTP/2 or TLS begins with at least so many bytes; a request of HTTP/1.1 with its `host` has
/// more.
const OPENING_BYTES: usize = 24;
/// How long a connection may take to send them.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// Accepts connections up to a bound.
pub struct Connections {
    listener: TcpListener,
    open: Arc<AtomicUsize>,
    max: usize,
    gauge: &'static str,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Connections {
    /// At most `max` connections; further ones are closed at once. The metric `gauge` shows how many are open.
    pub fn new(listener: TcpListener, max: usize, gauge: &'static str) -> Self {
        Self { listener, open: Arc::default(), max, gauge, pause: None }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match std::task::ready!(self.listener.poll_accept(context)) {
                Ok((stream, peer)) => {
                    let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
                    let counted = Counted(self.open.clone(), self.gauge);
                    if open > self.max {
                        metrics::counter!(SHED_REQUESTS, "reason" => "connections").increment(1);
                        drop((stream, counted));
                        continue;
                    }
                    report(self.gauge, open);
                    let _ = stream.set_nodelay(true); // only a little slower without
                    let opening = Some((Box::pin(tokio::time::sleep(OPENING_TIMEOUT)), 0));
                    return Poll::Ready(Some(Ok(Connection { stream, peer: peer.ip(), opening, _counted: counted })));
                }
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already: neither ends the listener.
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(20))));
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn report(gauge: &'static str, open: usize) {
    metrics::gauge!(gauge).set(open as f64);
}

struct Counted(Arc<AtomicUsize>, &'static str);

impl Drop for Counted {
    fn drop(&mut self) {
        report(self.1, self.0.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

/// An accepted connection.
pub struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// When the opening must have arrived, and how many bytes of it have.
    opening: Option<(Pin<Box<Sleep>>, usize)>,
    _counted: Counted,
}

impl Connection {
    pub fn peer(&self) -> IpAddr {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((deadline, bytes)) = &mut self.opening {
            *bytes += buffer.filled().len() - before;
            if *bytes >= OPENING_BYTES {
                self.opening = None;
            } else if deadline.deadline() <= Instant::now()
                || (read.is_pending() && deadline.as_mut().poll(context).is_ready())
            {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection said nothing")));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
