//! Who serves florin.v1, and who says so.

use std::time::Duration;

use florin_wire::florin_v1 as pb;
use futures::StreamExt;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{post, refused, set_status};
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
