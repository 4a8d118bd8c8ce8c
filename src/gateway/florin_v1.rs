//! florin.v1: Florin's own API. It checks fields, translates, and holds no rules.

mod accounts;
mod convert;
mod events;
mod fields;
mod pages;
mod post;
mod reads;
mod stream;

use std::pin::Pin;

use futures::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use self::post::Call;
use self::stream::Driver;
use super::ledger::Ledger;
use super::validate::{self, ACCOUNT_MAX};
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::pb::florin_v1::ledger_server;

/// The service.
#[derive(Clone)]
pub struct FlorinV1 {
    ledger: Ledger,
    bytes_max: usize,
    stopping: watch::Receiver<bool>,
}

impl FlorinV1 {
    /// The service in front of a ledger; answers have at most `bytes_max` bytes, and streams are not read on once `stopping` is true.
    pub fn new(ledger: Ledger, bytes_max: usize, stopping: watch::Receiver<bool>) -> Self {
        Self { ledger, bytes_max, stopping }
    }
}

#[tonic::async_trait]
impl ledger_server::Ledger for FlorinV1 {
    type PostTransactionsStream = Pin<Box<dyn Stream<Item = Result<pb::PostTransactionsResponse, Status>> + Send>>;

    async fn post_transaction(&self, request: Request<pb::PostTransactionRequest>) -> Result<Response<pb::PostTransactionResponse>, Status> {
        let call = Call::of(&request);
        let deadline = call.deadline(&self.ledger);
        Ok(Response::new(post::post(&self.ledger, &call, deadline, request.into_inner()).await?))
    }

    async fn post_transactions(
        &self,
        request: Request<Streaming<pb::PostTransactionsRequest>>,
    ) -> Result<Response<Self::PostTransactionsStream>, Status> {
        self.ledger.active()?;
        let driver = Driver {
            ledger: self.ledger.clone(),
            call: Call::of(&request),
            incoming: request.into_inner(),
            stopping: self.stopping.clone(),
            bytes_max: self.bytes_max,
        };
        Ok(Response::new(Box::pin(driver.start())))
    }

    async fn get_transaction(&self, request: Request<pb::GetTransactionRequest>) -> Result<Response<pb::GetTransactionResponse>, Status> {
        let transaction = reads::transaction(&self.ledger, &Call::of(&request), request.get_ref()).await?;
        Ok(Response::new(pb::GetTransactionResponse { transaction: Some(transaction) }))
    }

    async fn list_transactions(&self, request: Request<pb::ListTransactionsRequest>) -> Result<Response<pb::ListTransactionsResponse>, Status> {
        Ok(Response::new(reads::transactions(&self.ledger, &Call::of(&request), request.get_ref(), self.bytes_max).await?))
    }

    async fn get_operation(&self, request: Request<pb::GetOperationRequest>) -> Result<Response<pb::GetOperationResponse>, Status> {
        Ok(Response::new(reads::operation(&self.ledger, &Call::of(&request), request.get_ref()).await?))
    }

    async fn create_account(&self, request: Request<pb::CreateAccountRequest>) -> Result<Response<pb::CreateAccountResponse>, Status> {
        let call = Call::of(&request);
        let account = accounts::create(&self.ledger, &call, request.into_inner()).await?;
        Ok(Response::new(pb::CreateAccountResponse { account: Some(account) }))
    }

    async fn get_account(&self, request: Request<pb::GetAccountRequest>) -> Result<Response<pb::GetAccountResponse>, Status> {
        validate::required("id", &request.get_ref().id, ACCOUNT_MAX)?;
        let row = accounts::get(&self.ledger, &Call::of(&request), &request.get_ref().id).await?;
        Ok(Response::new(pb::GetAccountResponse { account: Some(convert::account(row)) }))
    }

    async fn update_account(&self, request: Request<pb::UpdateAccountRequest>) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let call = Call::of(&request);
        let account = accounts::update(&self.ledger, &call, request.into_inner()).await?;
        Ok(Response::new(pb::UpdateAccountResponse { account: Some(account) }))
    }

    async fn list_entries(&self, request: Request<pb::ListEntriesRequest>) -> Result<Response<pb::ListEntriesResponse>, Status> {
        Ok(Response::new(reads::entries(&self.ledger, &Call::of(&request), request.get_ref()).await?))
    }
}
