//! The client's side of payment.v1: some connections, many clients, a new key for each payment.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use ulid::Ulid;
use uuid::Uuid;

use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::run::{PATIENCE, Payer};

/// The currency of all accounts.
pub const CURRENCY: &str = "USD";

/// How a server is reached, and as whom.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where; see [`crate::address::grpc`].
    pub endpoint: Endpoint,
    /// Connections, 1 to 1,000.
    pub connections: usize,
    /// Different `x-client-id`s, which the limiter counts each by itself.
    pub clients: usize,
    /// What the accounts' names begin with.
    pub prefix: String,
}

impl Dial {
    /// Opens the connections.
    ///
    /// # Errors
    /// When one cannot be had.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        let mut channels = Vec::new();
        for _ in 0..self.connections.clamp(1, 1_000) {
            let channel = self.endpoint.clone().tcp_nodelay(true).connect().await;
            channels.push(channel.with_context(|| format!("{} cannot be reached", self.endpoint.uri()))?);
        }
        Ok(channels)
    }

    /// The name of the n-th client.
    ///
    /// # Errors
    /// Never: letters and digits.
    pub fn client(&self, n: usize) -> Result<MetadataValue<Ascii>> {
        Ok(format!("load-{}", n % self.clients.max(1)).parse()?)
    }

    /// All clients' names.
    ///
    /// # Errors
    /// Never: letters and digits.
    pub fn client_names(&self) -> Result<Vec<MetadataValue<Ascii>>> {
        (0..self.clients.max(1)).map(|n| self.client(n)).collect()
    }
}

/// Makes idempotency keys: each of them new, over all runs.
pub struct Keys {
    prefix: String,
    next: AtomicU64,
}

impl Keys {
    /// Keys that nobody else makes.
    #[must_use]
    pub fn fresh() -> Self {
        Self { prefix: Ulid(Uuid::now_v7().as_u128()).to_string(), next: AtomicU64::new(0) }
    }

    /// The next one.
    #[must_use]
    pub fn next(&self) -> String {
        format!("{}-{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Pays through payment.v1.
pub struct GrpcPayer {
    services: Vec<PaymentServiceClient<Channel>>,
    clients: Vec<MetadataValue<Ascii>>,
    prefix: String,
    keys: Keys,
}

impl GrpcPayer {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(dial: &Dial) -> Result<Self> {
        let services = dial.channels().await?.into_iter().map(PaymentServiceClient::new).collect();
        Ok(Self { services, clients: dial.client_names()?, prefix: dial.prefix.clone(), keys: Keys::fresh() })
    }

    async fn ask(&self, worker: usize, choice: Choice) -> Result<pb::AuthorizePaymentResponse, Status> {
        let mut request = Request::new(pb::AuthorizePaymentRequest {
            idempotency_key: self.keys.next(),
            payer_account_id: format!("{}{}", self.prefix, choice.payer),
            payee_account_id: format!("{}{}", self.prefix, choice.payee),
            amount_cents: choice.cents,
            currency: CURRENCY.to_owned(),
            description: String::new(),
        });
        request.metadata_mut().insert("x-client-id", self.clients[worker % self.clients.len()].clone());
        let mut service = self.services[worker % self.services.len()].clone();
        Ok(service.authorize_payment(request).await?.into_inner())
    }
}

impl Payer for GrpcPayer {
    async fn pay(&self, worker: usize, choice: Choice) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.ask(worker, choice)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(status)) => Outcome::of(&status),
            Ok(Ok(answer)) => match answer.status() {
                pb::PaymentStatus::Authorized => Outcome::Paid,
                pb::PaymentStatus::Duplicate => Outcome::Duplicate,
                _ => Outcome::Declined,
            },
        }
    }
}
