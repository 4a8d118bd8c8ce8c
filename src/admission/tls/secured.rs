//! Connections of gRPC over TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::{PeerCertificate, Speaks, Tls};
use crate::admission::connections::{Connection, Connections};

/// A connection whose handshake is over.
pub struct Secured {
    stream: Box<TlsStream<Connection>>,
    peer: SecuredPeer,
}

/// Who is at the other end; in the extensions of each of its requests.
#[derive(Clone)]
pub struct SecuredPeer {
    pub tcp: TcpConnectInfo,
    /// `None`: it showed none.
    pub certificate: Option<PeerCertificate>,
}

/// Shakes hands with all at once: one that is slow keeps nobody waiting. There are as many handshakes as there may be
/// connections, and each has its time limit.
pub fn secured(connections: Connections, tls: Tls) -> impl Stream<Item = io::Result<Secured>> + Send {
    let handshakes_max = connections.max();
    let handshake = move |connection: io::Result<Connection>| {
        let tls = tls.clone();
        async move {
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => return Some(Err(error)),
            };
            let tcp = connection.connect_info();
            match tls.accept(connection, Speaks::Http2).await {
                Ok((stream, certificate)) => {
                    Some(Ok(Secured { stream: Box::new(stream), peer: SecuredPeer { tcp, certificate } }))
                }
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    None
                }
            }
        }
    };
    connections.map(handshake).buffer_unordered(handshakes_max).filter_map(std::future::ready)
}

impl Connected for Secured {
    type ConnectInfo = SecuredPeer;

    fn connect_info(&self) -> SecuredPeer {
        self.peer.clone()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
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
