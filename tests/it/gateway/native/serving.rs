//! Who serves florin.v1, and who says so.

use std::time::Duration;

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use futures::StreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{post, refused, set_status};
use crate::harness::money::spawn;
use crate::harness::{Florin, Options};

async fn health(florin: &Florin) -> ServingStatus {
    let channel = Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: "florin.v1.Ledger".into() };
    HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_answers_nothing_but_unavailable() {
    let florin = Florin::start().await;
    florin.database.account("a", 1_00).await;
    let url = florin.database.url.clone();
    let standby = Florin::standby(florin.database.clone(), &url, Options::default(), "other").await;
    assert_eq!((health(&florin).await, health(&standby).await), (ServingStatus::Serving, ServingStatus::NotServing));
    let words = &["stands by"];
    let mut native = standby.native.clone();
    refused(standby.post(post("", &[("a", "b", "1")])).await, Code::Unavailable, words);
    refused(standby.update(set_status("a", pb::AccountStatus::Suspended)).await, Code::Unavailable, words);
    refused(native.get_account(pb::GetAccountRequest { id: "a".into() }).await, Code::Unavailable, words);
    refused(native.list_transactions(pb::ListTransactionsRequest::default()).await, Code::Unavailable, words);
    refused(
        native.list_entries(pb::ListEntriesRequest { account_id: "a".into(), ..Default::default() }).await,
        Code::Unavailable,
        words,
    );
    let unknown = pb::GetTransactionRequest { id: "00000000-0000-7000-8000-000000000000".into() };
    refused(native.get_transaction(unknown).await, Code::Unavailable, words);
    refused(
        native.get_operation(pb::GetOperationRequest { idempotency_key: "k".into(), ..Default::default() }).await,
        Code::Unavailable,
        words,
    );
    let new = pb::CreateAccountRequest { id: "new".into(), kind: 1, currency: "USD".into(), ..Default::default() };
    refused(native.create_account(new).await, Code::Unavailable, words);
    refused(native.post_transactions(futures::stream::empty()).await, Code::Unavailable, words);
    standby.kill().await;
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_and_short_deadlines_are_honoured() {
    let florin = Florin::start().await;
    florin.database.account("a", 1_00).await;
    florin.database.account("b", 0).await;
    let mut gzip =
        florin.native.clone().send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let answer = gzip.post_transaction(post("k", &[("a", "b", "0.10")])).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    // The deadline of a stream is that of its transactions.
    florin.faults.hold("lane.before_commit");
    let message = pb::PostTransactionsRequest { sequence: 1, transactions: vec![post("late", &[("a", "b", "0.10")])] };
    let mut request = tonic::Request::new(futures::stream::iter([message]));
    request.set_timeout(Duration::from_millis(500));
    let mut answers = gzip.post_transactions(request).await.unwrap().into_inner();
    let outcome = answers.next().await.unwrap().unwrap().outcomes.remove(0).outcome.unwrap();
    let pb::post_transaction_outcome::Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.code, error.reason.as_str()), (Code::DeadlineExceeded as i32, "DEADLINE_EXCEEDED"));
    florin.faults.release("lane.before_commit");
    florin.stop().await;
}

/// A connection that leaves deadlines to the server; a channel of tonic has a clock of its own, which may be first.
async fn without_a_clock(florin: &Florin) -> hyper::client::conn::http2::SendRequest<tonic::body::Body> {
    let stream = tokio::net::TcpStream::connect(florin.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (requests, connection) = handshake.await.unwrap();
    spawn(connection);
    requests
}

// Fails when the deadline is left to the transport, which says CANCELLED; when a service stands outside of the layer;
// and when only a timer is asked, which may be later than the transport's.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_here_is_always_deadline_exceeded() {
    let florin = Florin::start().await;
    florin.database.account("a", 1_00).await;
    florin.database.account("b", 0).await;
    florin.faults.hold("lane.before_commit");
    let requests = without_a_clock(&florin).await;
    let service = tower::service_fn(move |request| requests.clone().send_request(request));
    let origin: http::Uri = format!("http://{}", florin.address).parse().unwrap();
    let mut native = LedgerClient::with_origin(service.clone(), origin.clone());
    let mut payments = PaymentServiceClient::with_origin(service, origin);
    for (n, timeout) in ["0n", "1n", "900n", "1u", "500u", "0m", "1m", "2m", "7m", "30m"].repeat(8).iter().enumerate() {
        let mut posted = tonic::Request::new(post(&format!("k{n}"), &[("a", "b", "0.01")]));
        posted.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        refused(native.post_transaction(posted).await, Code::DeadlineExceeded, &["outcome unknown"]);
        let mut paid = tonic::Request::new(florin_wire::payment_v1::AuthorizePaymentRequest {
            idempotency_key: format!("p{n}"),
            payer_account_id: "a".into(),
            payee_account_id: "b".into(),
            amount_cents: 1,
            currency: "USD".into(),
            description: String::new(),
        });
        paid.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        refused(payments.authorize_payment(paid).await, Code::DeadlineExceeded, &["outcome unknown"]);
    }
    florin.faults.release("lane.before_commit");
    florin.stop().await;
}
