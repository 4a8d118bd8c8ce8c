//! Batches: each payment of each message is counted once, also when the stream breaks off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use florin_load::grpc::Dial;
use florin_load::mix::{Chooser, Mix};
use florin_load::outcome::Outcome;
use florin_load::run::Timing;
use florin_load::{address, batch};
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_server::{Ledger, LedgerServer};
use futures::{Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};

const PAYMENTS: usize = 10;
/// Messages that are answered; the next one breaks the stream.
const ANSWERED: u64 = 20;

/// Answers messages with all sorts of outcomes, then ends the stream with an error.
#[derive(Default)]
struct Moody {
    received: Arc<AtomicU64>,
}

fn answer(message: &pb::PostTransactionsRequest) -> pb::PostTransactionsResponse {
    use pb::post_transaction_outcome::Outcome as Answer;
    let response = |status: pb::TransactionStatus, replayed| {
        let transaction = Some(pb::Transaction { status: status.into(), ..pb::Transaction::default() });
        Answer::Response(pb::PostTransactionResponse { transaction, replayed })
    };
    let error = |code: Code, reason: &str| {
        Answer::Error(pb::OutcomeError { code: code.into(), message: "no".into(), reason: reason.into() })
    };
    let mut outcomes: Vec<Option<Answer>> = vec![
        Some(response(pb::TransactionStatus::Declined, false)),
        Some(response(pb::TransactionStatus::Completed, true)),
        Some(error(Code::ResourceExhausted, "RATE_LIMIT")),
        Some(error(Code::Unavailable, "OUTCOME_UNKNOWN")),
        None,
    ];
    outcomes.extend((0..4).map(|_| Some(response(pb::TransactionStatus::Completed, false))));
    assert_eq!(message.transactions.len(), outcomes.len() + 1, "one of the payments gets no outcome at all");
    let outcomes = outcomes.into_iter().map(|outcome| pb::PostTransactionOutcome { outcome }).collect();
    pb::PostTransactionsResponse { sequence: message.sequence, outcomes }
}

#[tonic::async_trait]
impl Ledger for Moody {
    type PostTransactionsStream = Pin<Box<dyn Stream<Item = Result<pb::PostTransactionsResponse, Status>> + Send>>;

    async fn post_transactions(
        &self,
        request: Request<Streaming<pb::PostTransactionsRequest>>,
    ) -> Result<Response<Self::PostTransactionsStream>, Status> {
        let received = self.received.clone();
        let answers = request.into_inner().map(move |message| match received.fetch_add(1, Ordering::Relaxed) {
            n if n < ANSWERED => message.map(|message| answer(&message)),
            _ => Err(Status::unavailable("enough")),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn post_transaction(
        &self,
        _: Request<pb::PostTransactionRequest>,
    ) -> Result<Response<pb::PostTransactionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_transaction(
        &self,
        _: Request<pb::GetTransactionRequest>,
    ) -> Result<Response<pb::GetTransactionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_transactions(
        &self,
        _: Request<pb::ListTransactionsRequest>,
    ) -> Result<Response<pb::ListTransactionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_operation(
        &self,
        _: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn create_account(
        &self,
        _: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_account(&self, _: Request<pb::GetAccountRequest>) -> Result<Response<pb::GetAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_account(
        &self,
        _: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn authorize_hold(
        &self,
        _: Request<pb::AuthorizeHoldRequest>,
    ) -> Result<Response<pb::AuthorizeHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn capture_hold(
        &self,
        _: Request<pb::CaptureHoldRequest>,
    ) -> Result<Response<pb::CaptureHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn void_hold(&self, _: Request<pb::VoidHoldRequest>) -> Result<Response<pb::VoidHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_hold(&self, _: Request<pb::GetHoldRequest>) -> Result<Response<pb::GetHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        _: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_holds(&self, _: Request<pb::ListHoldsRequest>) -> Result<Response<pb::ListHoldsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reverse_transaction(
        &self,
        _: Request<pb::ReverseTransactionRequest>,
    ) -> Result<Response<pb::ReverseTransactionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn exchange(&self, _: Request<pb::ExchangeRequest>) -> Result<Response<pb::ExchangeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn add_rate(&self, _: Request<pb::AddRateRequest>) -> Result<Response<pb::AddRateResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_rates(&self, _: Request<pb::ListRatesRequest>) -> Result<Response<pb::ListRatesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn create_currency(
        &self,
        _: Request<pb::CreateCurrencyRequest>,
    ) -> Result<Response<pb::CreateCurrencyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_currency(
        &self,
        _: Request<pb::UpdateCurrencyRequest>,
    ) -> Result<Response<pb::UpdateCurrencyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_currencies(
        &self,
        _: Request<pb::ListCurrenciesRequest>,
    ) -> Result<Response<pb::ListCurrenciesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_operator_actions(
        &self,
        _: Request<pb::ListOperatorActionsRequest>,
    ) -> Result<Response<pb::ListOperatorActionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_entries(
        &self,
        _: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test]
async fn every_payment_of_every_message_is_counted_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = address::grpc(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(
        Server::builder()
            .add_service(LedgerServer::new(Moody::default()))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let dial = Dial { endpoint, connections: 1, clients: 64, prefix: "a".into() };
    let chooser = Chooser::new(Mix::Uniform, 10, 1).unwrap();
    let timing = Timing { warm_up: Duration::ZERO, run: Duration::from_secs(5) };
    let in_flight: u64 = 4;
    let figures = batch::closed(&dial, &chooser, PAYMENTS, 4, timing).await.unwrap();
    let of = |outcome| figures.outcomes.of(outcome);
    for (outcome, each) in [
        (Outcome::Paid, 4),
        (Outcome::Declined, 1),
        (Outcome::Duplicate, 1),
        (Outcome::RateLimited, 1),
        (Outcome::Unanswered, 2),
    ] {
        assert_eq!(of(outcome), each * ANSWERED, "{outcome:?} of {figures}");
    }
    // Besides one in each answer: every payment of the messages that were in flight when the stream broke.
    assert_eq!(of(Outcome::Refused(Code::Unavailable)), ANSWERED + in_flight * 10, "{figures}");
    assert_eq!(figures.outcomes.total(), (ANSWERED + in_flight) * 10);
}
