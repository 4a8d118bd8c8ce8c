//! The REST listener: connections up to a limit, TLS where it is configured, time limits for the slow and the silent,
//! and the drain at the end.

mod patient;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use futures::StreamExt;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tower::ServiceExt;

use self::patient::{Patient, Turn};
use self::stream::{Asked, Handed};
use crate::admission::connections::{Connection, Connections, ConnectionsMax};
use crate::admission::tls::{PeerCertificate, Speaks, Tls};
use crate::gateway::listener::{ended_by_itself, listen, wind_up};
use crate::resilience::health::{Condition, Health, Part};
use crate::resilience::policy::History;
use crate::resilience::tasks;
use crate::telemetry::metrics::HTTP_CONNECTIONS;

pub use self::stream::Endless;

/// How the listener is set up.
#[derive(Clone)]
pub struct HttpServerConfig {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// Connections at once.
    pub connections_max: ConnectionsMax,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// How long a connection may take to send a request's head, once it has begun.
    pub head_timeout: Duration,
    /// How long a connection may be silent between two requests.
    pub idle_timeout: Duration,
    /// The answer after which a connection is older than this is its last.
    pub age_max: Duration,
}

/// A running listener.
pub struct HttpServer {
    /// Where it really listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

/// Bytes of a request's head that are kept while it is read.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// All that a listener is made of, to be made again.
struct Listening {
    config: HttpServerConfig,
    router: Router,
    stopped: watch::Receiver<bool>,
}

impl HttpServer {
    /// Listens and serves.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(config: HttpServerConfig, router: Router, health: Health) -> io::Result<Self> {
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let listening = Listening { config: HttpServerConfig { listen: address, ..config }, router, stopped };
        let ended = tasks::spawn(async move {
            let mut ended = listening.serve(listener).await;
            let mut history = History::default();
            while let Err(error) = ended {
                tokio::time::sleep(ended_by_itself(&health, &mut history, "rest", &error)).await;
                ended = match listen(address) {
                    Ok(listener) => {
                        health.report(Part::Gateway, Condition::Up);
                        listening.serve(listener).await
                    }
                    Err(error) => Err(error),
                };
            }
        });
        Ok(Self { address, stop, ended })
    }

    /// Stops accepting, lets what is running finish for at most `patience` or until `enough` is done, and ends.
    pub async fn stop_when(self, patience: Duration, enough: impl Future<Output = ()>) {
        wind_up(&self.stop, self.ended, patience, enough).await;
    }
}

impl Listening {
    /// Serves until told to stop, and then until the last connection has ended. Dropped, it ends every connection.
    async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let mut incoming = Connections::new(listener, self.config.connections_max, HTTP_CONNECTIONS);
        let (mut open, mut stopped) = (JoinSet::new(), self.stopped.clone());
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                Some(ended) = open.join_next(), if !open.is_empty() => note(ended),
                next = incoming.next() => match next {
                    Some(connection) => drop(open.spawn(self.talk(connection?))),
                    None => return Err(io::Error::other("no more connections are accepted")),
                },
            }
        }
        drop(incoming);
        while let Some(ended) = open.join_next().await {
            note(ended);
        }
        Ok(())
    }
}

/// A connection's task that panicked took nothing else with it.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended.map_err(|error| error.to_string()) {
        tracing::error!(error, "a REST connection ended by a bug");
    }
}

/// From where a connection comes.
#[derive(Clone)]
pub(super) struct PeerAddress(pub Arc<str>);

/// What a connection is served with.
struct Speaking {
    router: Router,
    address: PeerAddress,
    certificate: Option<PeerCertificate>,
    idle_timeout: Duration,
    too_old: Instant,
    stopped: watch::Receiver<bool>,
    turn: Turn,
}

impl Listening {
    /// One connection from its first byte to its last. Each kind is on the heap by itself, so that a plain one does not
    /// take the space of the other.
    fn talk(&self, connection: Connection) -> BoxFuture<'static, ()> {
        let address = PeerAddress(connection.peer().to_string().into());
        let connection = Patient::new(connection, self.config.head_timeout);
        let speaking = Speaking {
            router: self.router.clone(),
            address,
            certificate: None,
            idle_timeout: self.config.idle_timeout,
            too_old: Instant::now() + self.config.age_max,
            stopped: self.stopped.clone(),
            turn: connection.turn(),
        };
        match self.config.tls.clone() {
            None => Box::pin(speaking.speak(connection)),
            Some(tls) => Box::pin(speaking.shake_hands(connection, tls)),
        }
    }
}

impl Speaking {
    async fn shake_hands(mut self, connection: Patient<Connection>, tls: Tls) {
        match tls.accept(connection, Speaks::Http1).await {
            Ok((stream, certificate)) => {
                self.certificate = certificate;
                self.speak(stream).await;
            }
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        }
    }

    /// HTTP/1.1 over a stream. Told to stop, it answers what it is at and ends.
    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let Self { router, address, certificate, idle_timeout, too_old, mut stopped, turn } = self;
        turn.is_callers();
        let handed = Handed::default();
        let place = handed.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(address.clone());
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            turn.is_ours();
            let (asked, place, turn) = (Asked::of(&request), place.clone(), turn.clone());
            let answer = router.clone().oneshot(request);
            // Boxed: the library keeps a place for it for as long as the connection lives.
            Box::pin(async move {
                let mut response = answer.await.unwrap_or_else(|never| match never {});
                turn.is_callers();
                if Instant::now() >= too_old {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                // What the library has not written yet would be lost with it.
                if turn.is_stalled() {
                    return Ok(response);
                }
                place.offer(asked, response).inspect_err(|_| turn.is_ours())
            })
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(idle_timeout).max_buf_size(HEAD_BYTES_MAX);
        let mut conversation = http.serve_connection(TokioIo::new(stream), service);
        let ended = tokio::select! {
            ended = &mut conversation => ended,
            () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
                Pin::new(&mut conversation).graceful_shutdown();
                (&mut conversation).await
            }
        };
        let ended = match handed.take() {
            Some(events) => events
                .write(conversation.into_parts().io.into_inner(), stopped)
                .await
                .map_err(|error| error.to_string()),
            None => ended.map_err(|error| error.to_string()),
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a REST connection ended early"); // slow, silent, gone, or no HTTP: its own affair
        }
    }
}

#[cfg(test)]
mod tests;
