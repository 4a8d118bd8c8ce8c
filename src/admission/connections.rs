//! Connections: their number is bounded, and each must send something soon. A client that opens one and stays silent
//! costs a little memory for a few seconds, and nothing else.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::places::{Full, Place, Places};
use crate::telemetry::metrics::SHED_REQUESTS;

/// Every connection of HTTP/2 or TLS begins with at least so many bytes; a request of HTTP/1.1 with its `host` has
/// more.
const OPENING_BYTES: usize = 24;
/// How long a connection may take to send them.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections a listener has at once.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsMax {
    pub all: usize,
    /// How many in a hundred of them one address may have.
    pub address_percent: u8,
}

/// Accepts connections up to a bound.
pub struct Connections {
    listener: TcpListener,
    places: Places,
    max: usize,
    gauge: &'static str,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Connections {
    /// At most so many connections, of which one address gets a part; further ones are closed at once. The metric
    /// `gauge` shows how many are open.
    pub fn new(listener: TcpListener, bounds: ConnectionsMax, gauge: &'static str) -> Self {
        let ConnectionsMax { all, address_percent } = bounds;
        Self { listener, places: Places::new(all, address_percent), max: all, gauge, pause: None }
    }

    /// How many there may be.
    pub fn max(&self) -> usize {
        self.max
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
                    let place = match self.places.take(peer.ip()) {
                        Ok(place) => place,
                        Err(full) => {
                            let reason = match full {
                                Full::All => "connections",
                                Full::Address => "connections_of_address",
                            };
                            metrics::counter!(SHED_REQUESTS, "reason" => reason).increment(1);
                            continue;
                        }
                    };
                    report(self.gauge, self.places.taken());
                    let counted = Counted { place: Some(place), places: self.places.clone(), gauge: self.gauge };
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

struct Counted {
    /// Taken out when the connection ends.
    place: Option<Place>,
    places: Places,
    gauge: &'static str,
}

impl Drop for Counted {
    fn drop(&mut self) {
        drop(self.place.take());
        report(self.gauge, self.places.taken());
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
