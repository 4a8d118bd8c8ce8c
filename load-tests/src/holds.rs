//! The client's side of florin.v1's holds: each payment is held first, and captured as a whole when the hold is
//! answered.

use anyhow::Result;
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::grpc::{CURRENCY, Dial, Keys};
use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::run::{PATIENCE, Payer};

/// Pays by AuthorizeHold and CaptureHold: one payment when both are done.
pub struct HoldPayer {
    services: Vec<LedgerClient<Channel>>,
    clients: Vec<MetadataValue<Ascii>>,
    prefix: String,
    keys: Keys,
}

impl HoldPayer {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(dial: &Dial) -> Result<Self> {
        let services = dial.channels().await?.into_iter().map(LedgerClient::new).collect();
        Ok(Self { services, clients: dial.client_names()?, prefix: dial.prefix.clone(), keys: Keys::fresh() })
    }

    /// What is not done stays as it is: the first call that fails says what became of the payment.
    async fn hold_and_capture(&self, worker: usize, choice: Choice) -> Result<(), Outcome> {
        let mut service = self.services[worker % self.services.len()].clone();
        let amount = choice.amount();
        let hold = pb::AuthorizeHoldRequest {
            idempotency_key: self.keys.next(),
            source_account_id: format!("{}{}", self.prefix, choice.payer),
            destination_account_id: format!("{}{}", self.prefix, choice.payee),
            amount: amount.clone(),
            currency: CURRENCY.to_owned(),
            ..pb::AuthorizeHoldRequest::default()
        };
        let held = answered(service.authorize_hold(self.request(worker, hold)).await)?;
        let hold_id = completed(held.transaction, held.replayed)?.id;
        let capture = pb::CaptureHoldRequest {
            idempotency_key: self.keys.next(),
            hold_id,
            amount,
            ..pb::CaptureHoldRequest::default()
        };
        let captured = answered(service.capture_hold(self.request(worker, capture)).await)?;
        completed(captured.transaction, captured.replayed)?;
        Ok(())
    }

    fn request<T>(&self, worker: usize, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-client-id", self.clients[worker % self.clients.len()].clone());
        request
    }
}

impl Payer for HoldPayer {
    async fn pay(&self, worker: usize, choice: Choice) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.hold_and_capture(worker, choice)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(outcome)) => outcome,
            Ok(Ok(())) => Outcome::Paid,
        }
    }
}

fn answered<T>(answer: Result<tonic::Response<T>, Status>) -> Result<T, Outcome> {
    answer.map(tonic::Response::into_inner).map_err(|status| Outcome::of(&status))
}

/// The transaction, if the call did what it was asked to, and now.
fn completed(transaction: Option<pb::Transaction>, replayed: bool) -> Result<pb::Transaction, Outcome> {
    match transaction {
        _ if replayed => Err(Outcome::Duplicate),
        Some(transaction) if transaction.status() == pb::TransactionStatus::Completed => Ok(transaction),
        _ => Err(Outcome::Declined),
    }
}
