//! Connections of HTTP/1.1 that are kept open, each with one request at a time. One that broke, or whose answer was not
//! awaited, is thrown away: what comes on it next would belong to somebody else.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use futures::FutureExt;
use http::uri::Authority;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Bytes of an answer's body.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The connections to one server.
pub struct Lines {
    host: String,
    port: u16,
    /// Those that nobody uses.
    free: Mutex<Vec<Box<Line>>>,
    /// One for each connection: who waits for one is served in turn.
    turns: Semaphore,
}

impl Lines {
    /// Opens so many.
    ///
    /// # Errors
    /// When one cannot be had.
    pub async fn open(authority: &Authority, connections: usize) -> Result<Self> {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let lines = Self {
            host,
            port: authority.port_u16().unwrap_or(80),
            free: Mutex::default(),
            turns: Semaphore::new(connections),
        };
        for _ in 0..connections {
            let line = lines.another().await?;
            lines.free().push(line);
        }
        Ok(lines)
    }

    /// Sends a request on a free connection, or on a new one in the place of one that broke, and reads the whole
    /// answer.
    ///
    /// # Errors
    /// When no connection can be had, or it breaks before the answer's end.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let _turn = self.turns.acquire().await?;
        let mut kept = self.free().pop();
        let mut line = match kept.take_if(|line| !line.has_ended()) {
            Some(line) => line,
            None => self.another().await?,
        };
        let answer = line.ask(request).await?;
        self.free().push(line); // one that the server closes is found out when it is taken
        Ok(answer)
    }

    async fn another(&self) -> Result<Box<Line>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Line { sender, connection: Some(connection) }))
    }

    fn free(&self) -> MutexGuard<'_, Vec<Box<Line>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection. Whoever asks drives it: no task of its own has to be woken for each answer.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
}

impl Line {
    /// Whether the other side has hung up since the last answer.
    fn has_ended(&mut self) -> bool {
        let ended = self.connection.as_mut().is_none_or(|connection| connection.now_or_never().is_some());
        if ended {
            self.connection = None;
        }
        ended
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let connection = self.connection.as_mut().context("the connection has ended")?;
        let sender = &mut self.sender;
        let mut answer = std::pin::pin!(async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            Ok(Response::from_parts(head, body.map_err(|error| anyhow::anyhow!(error))?.to_bytes()))
        });
        tokio::select! {
            biased;
            answer = answer.as_mut() => answer,
            _ = connection => {
                self.connection = None;
                answer.await // it came with the end, or it will not come
            }
        }
    }
}
