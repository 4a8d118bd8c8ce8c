//! The tool tells the truth about servers that misbehave: it counts every outcome, and a stall shows in the latencies.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use florin_load::address;
use florin_load::grpc::{Dial, GrpcPayer};
use florin_load::mix::{Choice, Chooser, Mix};
use florin_load::outcome::Outcome;
use florin_load::run::{PATIENCE, Payer, Timing, closed, open};
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_server::{PaymentService, PaymentServiceServer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Answers by the amount asked for, and counts what it did.
#[derive(Default)]
struct Moody {
    asked: [AtomicU64; 8],
}

impl Moody {
    fn asked(&self, mood: usize) -> u64 {
        self.asked[mood].load(Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl PaymentService for Moody {
    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let mood = usize::try_from(request.get_ref().amount_cents % 8).unwrap();
        self.asked[mood].fetch_add(1, Ordering::Relaxed);
        let refuse = |code, reason: &str| {
            Err(Status::with_error_details(code, "no", ErrorDetails::with_error_info(reason, "florin", HashMap::new())))
        };
        let status = match mood {
            0 => return refuse(Code::ResourceExhausted, "RATE_LIMIT"),
            1 => return refuse(Code::ResourceExhausted, "IN_FLIGHT_LIMIT"),
            2 => return refuse(Code::Unavailable, "OUTCOME_UNKNOWN"),
            3 => std::future::pending().await, // dropped: no answer, ever
            4 => {
                tokio::time::sleep(Duration::from_millis(30)).await;
                pb::PaymentStatus::Authorized
            }
            5 => pb::PaymentStatus::Declined,
            6 => pb::PaymentStatus::Duplicate,
            _ => pb::PaymentStatus::Authorized,
        };
        Ok(Response::new(pb::AuthorizePaymentResponse {
            status: status.into(),
            ..pb::AuthorizePaymentResponse::default()
        }))
    }

    async fn get_payment(&self, _: Request<pb::GetPaymentRequest>) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_account_balance(
        &self,
        _: Request<pb::GetAccountBalanceRequest>,
    ) -> Result<Response<pb::GetAccountBalanceResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn serve(moody: Arc<Moody>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        Server::builder()
            .add_service(PaymentServiceServer::from_arc(moody))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
    (address, tasks)
}

async fn payer(address: SocketAddr) -> GrpcPayer {
    let endpoint = address::grpc(&format!("http://{address}")).unwrap();
    GrpcPayer::connect(&Dial { endpoint, connections: 2, clients: 64, prefix: "a".into() }).await.unwrap()
}

fn timing(run_ms: u64) -> Timing {
    Timing { warm_up: Duration::ZERO, run: Duration::from_millis(run_ms) }
}

#[tokio::test]
async fn every_outcome_of_a_server_that_drops_delays_and_refuses_is_counted() {
    let moody = Arc::new(Moody::default());
    let (address, _tasks) = serve(moody.clone()).await;
    let chooser = Chooser::new(Mix::Uniform, 10, 1).unwrap();
    // Due all at once, each by a worker of its own: those that are never answered hold nobody else up.
    let figures = open(Arc::new(payer(address).await), &chooser, 2_000.0, timing(500)).await.unwrap();
    let sent: Vec<u64> = (0..8).map(|mood| moody.asked(mood)).collect();
    assert_eq!(sent.iter().sum::<u64>(), 1_000, "each payment that was due was asked for once");
    let expected = [
        (Outcome::RateLimited, sent[0]),
        (Outcome::Refused(Code::ResourceExhausted), sent[1]),
        (Outcome::Refused(Code::Unavailable), sent[2]),
        (Outcome::Unanswered, sent[3]),
        (Outcome::Paid, sent[4] + sent[7]),
        (Outcome::Declined, sent[5]),
        (Outcome::Duplicate, sent[6]),
    ];
    for (outcome, n) in expected {
        assert!(n > 50, "{outcome:?} was hardly tried: {n}");
        assert_eq!(figures.outcomes.of(outcome), n, "{outcome:?} of {figures}");
    }
    assert_eq!(figures.outcomes.total(), 1_000);
    assert_eq!(figures.errors, 1_000 - sent[4] - sent[7]);
    // One in eight was never answered: their wait is in the percentiles.
    assert!(figures.latency_ms.p99 >= PATIENCE.as_secs_f64() * 1000.0 * 0.99, "{figures}");
}

#[tokio::test]
async fn connections_that_break_are_counted_as_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 64]).await; // hears the opening, and hangs up
        }
    });
    let figures = closed(Arc::new(payer(address).await), &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 4, timing(100))
        .await
        .unwrap();
    assert!(figures.outcomes.of(Outcome::Transport) > 0, "{figures}");
    assert_eq!(figures.outcomes.of(Outcome::Transport), figures.outcomes.total(), "{figures}");
}

/// Answers within a millisecond, but for a while nobody gets an answer.
struct Stalling {
    from: Instant,
    to: Instant,
}

impl Payer for Stalling {
    async fn pay(&self, _: usize, _: Choice) -> Outcome {
        let now = Instant::now();
        if (self.from..self.to).contains(&now) {
            tokio::time::sleep_until(self.to.into()).await;
        }
        Outcome::Paid
    }
}

fn stalling() -> Arc<Stalling> {
    let from = Instant::now() + Duration::from_millis(200);
    Arc::new(Stalling { from, to: from + Duration::from_millis(300) })
}

#[tokio::test]
async fn the_open_loop_does_not_hide_that_a_server_stalled() {
    let chooser = Chooser::new(Mix::Uniform, 10, 1).unwrap();
    let figures = open(stalling(), &chooser, 1_000.0, timing(1_000)).await.unwrap();
    assert_eq!(figures.outcomes.total(), 1_000);
    // 300 of 1,000 were due during the stall and waited 150 ms on average: the percentiles say so.
    let latency = figures.latency_ms;
    assert!(latency.p99 > 250.0 && latency.max > 290.0, "{figures}");
    assert!(latency.p50 < 100.0, "{figures}");
}

#[tokio::test]
async fn the_open_loop_counts_what_waits_for_a_worker_from_when_it_was_due() {
    // More is due during the stall than there are workers: the rest waits its turn, and its wait counts.
    let chooser = Chooser::new(Mix::Uniform, 10, 1).unwrap();
    let figures = open(stalling(), &chooser, 20_000.0, timing(1_000)).await.unwrap();
    assert_eq!(figures.outcomes.total(), 20_000);
    assert!(figures.latency_ms.p99 > 250.0, "{figures}");
}
