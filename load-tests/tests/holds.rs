//! Holds and balances: a payment counts when both of its calls are done, and every outcome of either is counted once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use florin_load::address;
use florin_load::balances::BalanceReader;
use florin_load::grpc::Dial;
use florin_load::holds::HoldPayer;
use florin_load::mix::{Chooser, Mix};
use florin_load::outcome::Outcome;
use florin_load::run::{Timing, open};
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_server::{Ledger, LedgerServer};
use florin_wire::payment_v1 as payment;
use florin_wire::payment_v1::payment_service_server::{PaymentService, PaymentServiceServer};
use futures::Stream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

const MOODS: u64 = 8;

/// Answers by the cents asked for: 0 to 3 go wrong at the hold, 4 to 6 at the capture, 7 is paid. Balances: by the
/// account's number.
#[derive(Default)]
struct Moody {
    held: [AtomicU64; 8],
    captured: [AtomicU64; 8],
    /// Amounts of holds, by id.
    holds: Mutex<HashMap<String, String>>,
    balances: [AtomicU64; 3],
}

fn mood(amount: &str) -> usize {
    let cents: u64 = amount.replace('.', "").parse().unwrap();
    usize::try_from(cents % MOODS).unwrap()
}

fn limited<T>() -> Result<T, Status> {
    Err(Status::with_error_details(
        Code::ResourceExhausted,
        "no",
        ErrorDetails::with_error_info("RATE_LIMIT", "florin", HashMap::new()),
    ))
}

fn transaction(id: &str, status: pb::TransactionStatus) -> Option<pb::Transaction> {
    Some(pb::Transaction { id: id.to_owned(), status: status.into(), ..pb::Transaction::default() })
}

#[tonic::async_trait]
impl Ledger for Moody {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;
    type PostTransactionsStream = Pin<Box<dyn Stream<Item = Result<pb::PostTransactionsResponse, Status>> + Send>>;

    async fn authorize_hold(
        &self,
        request: Request<pb::AuthorizeHoldRequest>,
    ) -> Result<Response<pb::AuthorizeHoldResponse>, Status> {
        let asked = request.into_inner();
        assert!(
            asked.source_account_id != asked.destination_account_id
                && asked.currency == "USD"
                && !asked.idempotency_key.is_empty()
        );
        let mood = mood(&asked.amount);
        let n = self.held[mood].fetch_add(1, Ordering::Relaxed);
        let id = format!("hold-{mood}-{n}");
        let (status, replayed) = match mood {
            0 => (pb::TransactionStatus::Declined, false),
            1 => (pb::TransactionStatus::Completed, true),
            2 => return limited(),
            3 => return Err(Status::unavailable("away")),
            _ => (pb::TransactionStatus::Completed, false),
        };
        self.holds.lock().unwrap().insert(id.clone(), asked.amount);
        Ok(Response::new(pb::AuthorizeHoldResponse { transaction: transaction(&id, status), hold: None, replayed }))
    }

    async fn capture_hold(
        &self,
        request: Request<pb::CaptureHoldRequest>,
    ) -> Result<Response<pb::CaptureHoldResponse>, Status> {
        let asked = request.into_inner();
        let amount = self.holds.lock().unwrap().remove(&asked.hold_id).unwrap();
        assert!(
            asked.amount == amount && !asked.idempotency_key.is_empty(),
            "all of it is captured, by an explicit amount"
        );
        let mood = mood(&amount);
        self.captured[mood].fetch_add(1, Ordering::Relaxed);
        let (status, replayed) = match mood {
            4 => (pb::TransactionStatus::Declined, false),
            5 => (pb::TransactionStatus::Completed, true),
            6 => return Err(Status::deadline_exceeded("late")),
            _ => (pb::TransactionStatus::Completed, false),
        };
        Ok(Response::new(pb::CaptureHoldResponse { transaction: transaction("capture", status), replayed }))
    }

    async fn post_transactions(
        &self,
        _: Request<Streaming<pb::PostTransactionsRequest>>,
    ) -> Result<Response<Self::PostTransactionsStream>, Status> {
        Err(Status::unimplemented(""))
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

    async fn void_hold(&self, _: Request<pb::VoidHoldRequest>) -> Result<Response<pb::VoidHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_hold(&self, _: Request<pb::GetHoldRequest>) -> Result<Response<pb::GetHoldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

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

#[tonic::async_trait]
impl PaymentService for Moody {
    async fn get_account_balance(
        &self,
        request: Request<payment::GetAccountBalanceRequest>,
    ) -> Result<Response<payment::GetAccountBalanceResponse>, Status> {
        let number: usize = request.get_ref().account_id.strip_prefix("load-").unwrap().parse().unwrap();
        self.balances[number % 3].fetch_add(1, Ordering::Relaxed);
        match number % 3 {
            0 => limited(),
            1 => Err(Status::not_found("no account")),
            _ => Ok(Response::new(payment::GetAccountBalanceResponse::default())),
        }
    }

    async fn authorize_payment(
        &self,
        _: Request<payment::AuthorizePaymentRequest>,
    ) -> Result<Response<payment::AuthorizePaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_payment(
        &self,
        _: Request<payment::GetPaymentRequest>,
    ) -> Result<Response<payment::GetPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn serve(moody: Arc<Moody>) -> (Dial, JoinSet<Result<(), tonic::transport::Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = address::grpc(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut tasks = JoinSet::new();
    let server = Server::builder()
        .add_service(LedgerServer::from_arc(moody.clone()))
        .add_service(PaymentServiceServer::from_arc(moody));
    tasks.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (Dial { endpoint, connections: 2, clients: 64, prefix: "load-".into() }, tasks)
}

const TIMING: Timing = Timing { warm_up: Duration::ZERO, run: Duration::from_millis(500) };

#[tokio::test]
async fn a_hold_and_its_capture_are_one_payment_and_the_first_failure_is_its_outcome() {
    let moody = Arc::new(Moody::default());
    let (dial, _tasks) = serve(moody.clone()).await;
    let payer = Arc::new(HoldPayer::connect(&dial).await.unwrap());
    let figures = open(payer, &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 2_000.0, TIMING).await.unwrap();
    let count = |counts: &[AtomicU64; 8]| counts.iter().map(|n| n.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let (held, captured) = (count(&moody.held), count(&moody.captured));
    assert_eq!(held.iter().sum::<u64>(), 1_000, "each payment that was due was held once");
    assert_eq!(captured, [0, 0, 0, 0, held[4], held[5], held[6], held[7]], "what is not held is not captured");
    let expected = [
        (Outcome::Declined, held[0] + held[4]),
        (Outcome::Duplicate, held[1] + held[5]),
        (Outcome::RateLimited, held[2]),
        (Outcome::Refused(Code::Unavailable), held[3]),
        (Outcome::Refused(Code::DeadlineExceeded), held[6]),
        (Outcome::Paid, held[7]),
    ];
    for (outcome, n) in expected {
        assert!(n > 50, "{outcome:?} was hardly tried: {n}");
        assert_eq!(figures.outcomes.of(outcome), n, "{outcome:?} of {figures}");
    }
    assert_eq!((figures.outcomes.total(), figures.errors), (1_000, 1_000 - held[7]));
}

#[tokio::test]
async fn every_question_for_a_balance_is_counted_and_none_as_a_payment() {
    let moody = Arc::new(Moody::default());
    let (dial, _tasks) = serve(moody.clone()).await;
    let reader = Arc::new(BalanceReader::connect(&dial).await.unwrap());
    let figures = open(reader, &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 2_000.0, TIMING).await.unwrap();
    let asked = moody.balances.each_ref().map(|n| n.load(Ordering::Relaxed));
    assert_eq!(asked.iter().sum::<u64>(), 1_000);
    for (outcome, n) in
        [(Outcome::RateLimited, asked[0]), (Outcome::Refused(Code::NotFound), asked[1]), (Outcome::Answered, asked[2])]
    {
        assert!(n > 50, "{outcome:?} was hardly tried: {n}");
        assert_eq!(figures.outcomes.of(outcome), n, "{outcome:?} of {figures}");
    }
    assert_eq!(
        (figures.outcomes.total(), figures.errors, figures.outcomes.of(Outcome::Paid)),
        (1_000, asked[0] + asked[1], 0)
    );
}
