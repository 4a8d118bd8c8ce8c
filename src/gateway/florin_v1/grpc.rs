//! florin.v1: Florin's own API. It checks fields, translates, and holds no rules.

mod accounts;
mod billing;
mod convert;
mod currencies;
mod exchanges;
mod holds;
mod operators;
mod post;
mod reads;
mod returns;
mod stream;
mod watch;

use std::pin::Pin;
use std::time::Instant;

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_server;
use futures::Stream;
use tokio::sync::watch::Receiver;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use self::stream::Driver;
use crate::admission::limits::Limits;
use crate::gateway::grpc::call::{call_of, ended, standing_of};
use crate::telemetry::request_span;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native;
use crate::teller::native::views::{Account, PostedTransaction};
use crate::teller::validate::{self, ACCOUNT_MAX};

/// The service.
#[derive(Clone)]
pub struct FlorinV1 {
    ledger: Ledger,
    limits: Limits,
    bytes_max: usize,
    stopping: Receiver<bool>,
}

impl FlorinV1 {
    /// The service in front of a ledger; answers have at most `bytes_max` bytes, and streams are not read on once
    /// `stopping` is true.
    pub fn new(ledger: Ledger, limits: Limits, bytes_max: usize, stopping: Receiver<bool>) -> Self {
        Self { ledger, limits, bytes_max, stopping }
    }

    /// What all calls have in common: the limit, the span, the count.
    async fn serve<T, R, F>(
        &self,
        method: &'static str,
        request: Request<T>,
        work: impl FnOnce(Ledger, Call, T) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, Failure>>,
    {
        let (began, call, span) =
            (Instant::now(), call_of(&request), request_span(method, request.metadata().as_ref()));
        let correlation = call.correlation.clone();
        let (metadata, _, asked) = request.into_parts();
        let answer = async {
            self.limits.native(call.caller(), metadata.as_ref(), method).await?;
            work(self.ledger.clone(), call, asked).await
        };
        ended(method, correlation.as_deref(), began, answer.instrument(span).await)
    }
}

#[tonic::async_trait]
impl ledger_server::Ledger for FlorinV1 {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;
    type PostTransactionsStream = Pin<Box<dyn Stream<Item = Result<pb::PostTransactionsResponse, Status>> + Send>>;

    async fn post_transaction(
        &self,
        request: Request<pb::PostTransactionRequest>,
    ) -> Result<Response<pb::PostTransactionResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move {
            post::post(&ledger, &call, call.deadline(&ledger), asked).await
        };
        self.serve("PostTransaction", request, work).await
    }

    async fn post_transactions(
        &self,
        request: Request<Streaming<pb::PostTransactionsRequest>>,
    ) -> Result<Response<Self::PostTransactionsStream>, Status> {
        let (stopping, bytes_max, limits) = (self.stopping.clone(), self.bytes_max, self.limits.clone());
        let (metadata, standing) = (request.metadata().clone(), standing_of(&request));
        let work = |ledger: Ledger, call, incoming| async move {
            ledger.active()?;
            let answers = Driver { ledger, call, incoming, stopping, bytes_max, limits, metadata, standing }.start();
            Ok::<Self::PostTransactionsStream, Failure>(Box::pin(answers))
        };
        self.serve("PostTransactions", request, work).await
    }

    async fn get_transaction(
        &self,
        request: Request<pb::GetTransactionRequest>,
    ) -> Result<Response<pb::GetTransactionResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { reads::transaction(&ledger, &call, &asked).await };
        let answer = self.serve("GetTransaction", request, work).await?;
        Ok(answer.map(|transaction| pb::GetTransactionResponse { transaction: Some(transaction) }))
    }

    async fn list_transactions(
        &self,
        request: Request<pb::ListTransactionsRequest>,
    ) -> Result<Response<pb::ListTransactionsResponse>, Status> {
        let bytes_max = self.bytes_max;
        let work = |ledger: Ledger, call: Call, asked| async move {
            reads::transactions(&ledger, &call, &asked, bytes_max).await
        };
        self.serve("ListTransactions", request, work).await
    }

    async fn get_operation(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { reads::operation(&ledger, &call, &asked).await };
        self.serve("GetOperation", request, work).await
    }

    async fn create_account(
        &self,
        request: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { accounts::create(&ledger, &call, asked).await };
        let answer = self.serve("CreateAccount", request, work).await?;
        Ok(answer.map(|account| pb::CreateAccountResponse { account: Some(account) }))
    }

    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked: pb::GetAccountRequest| async move {
            validate::required("id", &asked.id, ACCOUNT_MAX)?;
            native::accounts::get(&ledger, &call, &asked.id).await
        };
        let answer = self.serve("GetAccount", request, work).await?;
        Ok(answer.map(|row| pb::GetAccountResponse { account: Some(Account::from(row).into()) }))
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { accounts::update(&ledger, &call, asked).await };
        let answer = self.serve("UpdateAccount", request, work).await?;
        Ok(answer.map(|row| pb::UpdateAccountResponse { account: Some(Account::from(row).into()) }))
    }

    async fn authorize_hold(
        &self,
        request: Request<pb::AuthorizeHoldRequest>,
    ) -> Result<Response<pb::AuthorizeHoldResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { holds::authorize(&ledger, &call, asked).await };
        self.serve("AuthorizeHold", request, work).await
    }

    async fn capture_hold(
        &self,
        request: Request<pb::CaptureHoldRequest>,
    ) -> Result<Response<pb::CaptureHoldResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { holds::capture(&ledger, &call, asked).await };
        let answer = self.serve("CaptureHold", request, work).await?;
        Ok(answer.map(|posted| PostedTransaction::from(posted).into()))
    }

    async fn void_hold(&self, request: Request<pb::VoidHoldRequest>) -> Result<Response<pb::VoidHoldResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { holds::void(&ledger, &call, asked).await };
        let answer = self.serve("VoidHold", request, work).await?;
        Ok(answer.map(|posted| PostedTransaction::from(posted).into()))
    }

    async fn get_hold(&self, request: Request<pb::GetHoldRequest>) -> Result<Response<pb::GetHoldResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { holds::get(&ledger, &call, &asked).await };
        let answer = self.serve("GetHold", request, work).await?;
        Ok(answer.map(|hold| pb::GetHoldResponse { hold: Some(hold) }))
    }

    async fn reverse_transaction(
        &self,
        request: Request<pb::ReverseTransactionRequest>,
    ) -> Result<Response<pb::ReverseTransactionResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { returns::reverse(&ledger, &call, asked).await };
        let answer = self.serve("ReverseTransaction", request, work).await?;
        Ok(answer.map(|posted| PostedTransaction::from(posted).into()))
    }

    async fn exchange(&self, request: Request<pb::ExchangeRequest>) -> Result<Response<pb::ExchangeResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { exchanges::exchange(&ledger, &call, asked).await };
        let answer = self.serve("Exchange", request, work).await?;
        Ok(answer.map(|posted| PostedTransaction::from(posted).into()))
    }

    async fn add_rate(&self, request: Request<pb::AddRateRequest>) -> Result<Response<pb::AddRateResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { exchanges::add_rate(&ledger, &call, asked).await };
        let answer = self.serve("AddRate", request, work).await?;
        Ok(answer.map(|rate| pb::AddRateResponse { rate: Some(rate) }))
    }

    async fn list_rates(
        &self,
        request: Request<pb::ListRatesRequest>,
    ) -> Result<Response<pb::ListRatesResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { exchanges::list(&ledger, &call, &asked).await };
        self.serve("ListRates", request, work).await
    }

    async fn list_holds(
        &self,
        request: Request<pb::ListHoldsRequest>,
    ) -> Result<Response<pb::ListHoldsResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { holds::list(&ledger, &call, &asked).await };
        self.serve("ListHolds", request, work).await
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let (call, standing) = (call_of(&request), standing_of(&request));
        self.limits.native(call.caller(), request.metadata().as_ref(), "WatchEvents").await?;
        let ends = watch::Ends::new(self.stopping.clone(), standing);
        let events = watch::watch(&self.ledger, &call, request.into_inner(), ends).await?;
        Ok(Response::new(Box::pin(events)))
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { reads::entries(&ledger, &call, &asked).await };
        self.serve("ListEntries", request, work).await
    }
    async fn create_currency(
        &self,
        request: Request<pb::CreateCurrencyRequest>,
    ) -> Result<Response<pb::CreateCurrencyResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { currencies::create(&ledger, &call, asked).await };
        self.serve("CreateCurrency", request, work).await
    }

    async fn update_currency(
        &self,
        request: Request<pb::UpdateCurrencyRequest>,
    ) -> Result<Response<pb::UpdateCurrencyResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { currencies::update(&ledger, &call, asked).await };
        self.serve("UpdateCurrency", request, work).await
    }

    async fn list_currencies(
        &self,
        request: Request<pb::ListCurrenciesRequest>,
    ) -> Result<Response<pb::ListCurrenciesResponse>, Status> {
        let work = |ledger: Ledger, _, _| async move { currencies::list(&ledger).await };
        self.serve("ListCurrencies", request, work).await
    }

    async fn list_operator_actions(
        &self,
        request: Request<pb::ListOperatorActionsRequest>,
    ) -> Result<Response<pb::ListOperatorActionsResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { operators::list(&ledger, &call, &asked).await };
        self.serve("ListOperatorActions", request, work).await
    }
}
