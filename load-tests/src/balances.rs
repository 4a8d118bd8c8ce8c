//! Asks for balances through payment.v1. An account is active when it paid or was paid a moment ago: then its actor
//! knows, and no database is asked.

use anyhow::Result;
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::grpc::Dial;
use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::run::{PATIENCE, Payer};

/// Asks for the balance of the account that would pay, and moves nothing.
pub struct BalanceReader {
    services: Vec<PaymentServiceClient<Channel>>,
    clients: Vec<MetadataValue<Ascii>>,
    prefix: String,
}

impl BalanceReader {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(dial: &Dial) -> Result<Self> {
        let services = dial.channels().await?.into_iter().map(PaymentServiceClient::new).collect();
        Ok(Self { services, clients: dial.client_names()?, prefix: dial.prefix.clone() })
    }
}

impl Payer for BalanceReader {
    async fn pay(&self, worker: usize, choice: Choice) -> Outcome {
        let mut request =
            Request::new(pb::GetAccountBalanceRequest { account_id: format!("{}{}", self.prefix, choice.payer) });
        request.metadata_mut().insert("x-client-id", self.clients[worker % self.clients.len()].clone());
        let mut service = self.services[worker % self.services.len()].clone();
        match tokio::time::timeout(PATIENCE, service.get_account_balance(request)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(status)) => Outcome::of(&status),
            Ok(Ok(_)) => Outcome::Answered,
        }
    }
}
