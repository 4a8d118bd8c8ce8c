//! The client's side of transfers over REST: HTTP/1.1 connections that stay open, many clients, a new key for each
//! payment.

pub(crate) mod lines;

use anyhow::{Context, Result, ensure};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Serialize;
use uuid::Uuid;

use self::lines::Lines;
use crate::grpc::CURRENCY;
use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::run::{PATIENCE, Payer};

/// The most connections. Each carries one request at a time: what is in flight beyond waits for one, and its latency
/// grows.
pub const CONNECTIONS_MAX: usize = 256;

/// The header that names the next page of a list.
pub const NEXT_PAGE: &str = "x-next-page-token";

const TRANSFER: &str = "/api/v1/transactions/transfer";

/// How a server is reached, and as whom.
#[derive(Clone, Debug)]
pub struct RestDial {
    /// Where; see [`crate::address::rest`].
    pub address: Uri,
    /// Connections, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// Different `x-client-id`s, which the limiter counts each by itself.
    pub clients: usize,
    /// What the accounts' names begin with.
    pub prefix: String,
}

/// Pays through POST /api/v1/transactions/transfer.
pub struct RestPayer {
    lines: Lines,
    host: HeaderValue,
    clients: Vec<HeaderValue>,
    prefix: String,
}

/// The body of a transfer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    idempotency_key: Uuid,
    source_account_id: String,
    destination_account_id: String,
    amount: String,
    currency: &'static str,
}

impl RestPayer {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached, or there are to be too many connections.
    pub async fn connect(dial: &RestDial) -> Result<Self> {
        let RestDial { address, connections, clients, prefix } = dial;
        ensure!(
            (1..=CONNECTIONS_MAX).contains(connections),
            "{connections} connections are not from 1 to {CONNECTIONS_MAX}"
        );
        let authority = address.authority().with_context(|| format!("{address} names no host"))?;
        let host = HeaderValue::from_str(authority.as_str())?;
        let clients =
            (0..(*clients).max(1)).map(|n| Ok(HeaderValue::from_str(&format!("load-{n}"))?)).collect::<Result<_>>()?;
        let lines =
            Lines::open(authority, *connections).await.with_context(|| format!("{address} cannot be reached"))?;
        Ok(Self { lines, host, clients, prefix: prefix.clone() })
    }

    fn request(&self, worker: usize, choice: Choice) -> Result<Request<Full<Bytes>>> {
        let body = serde_json::to_vec(&Transfer {
            idempotency_key: Uuid::new_v4(),
            source_account_id: format!("{}{}", self.prefix, choice.payer),
            destination_account_id: format!("{}{}", self.prefix, choice.payee),
            amount: choice.amount(),
            currency: CURRENCY,
        })?;
        let request = Request::post(TRANSFER)
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("x-client-id", self.clients[worker % self.clients.len()].clone());
        Ok(request.body(Full::new(Bytes::from(body)))?)
    }
}

impl Payer for RestPayer {
    async fn pay(&self, worker: usize, choice: Choice) -> Outcome {
        let Ok(request) = self.request(worker, choice) else { return Outcome::Unsent }; // of texts that are all ours
        match tokio::time::timeout(PATIENCE, self.lines.ask(request)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(_)) => Outcome::Transport,
            Ok(Ok(answer)) => Outcome::of_rest(answer.status(), answer.body()),
        }
    }
}
