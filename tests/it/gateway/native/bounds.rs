//! What may be asked without credentials, and what a small message may become.

use florin_wire::bounded::{ELEMENTS_MAX, check};
use florin_wire::florin_v1 as pb;
use prost::Message;
use prost::bytes::Bytes;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{post, refused};
use crate::harness::Florin;

/// Fails when entries of lists are not counted before they are decoded, at the top or in a list, or when what the limits
/// of the API allow is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_does_not_become_a_hundred_times_as_much() {
    let florin = Florin::start().await;
    let mut gzip = florin.native.clone().send_compressed(CompressionEncoding::Gzip);
    let empty =
        |count| pb::PostTransactionRequest { postings: vec![pb::Posting::default(); count], ..Default::default() };
    let too_many = format!("more than {ELEMENTS_MAX} elements");
    let words = [too_many.as_str()];
    refused(gzip.post_transaction(empty(ELEMENTS_MAX + 1)).await, Code::OutOfRange, &words);
    let nested = pb::PostTransactionsRequest { sequence: 1, transactions: vec![empty(ELEMENTS_MAX / 8); 9] };
    let mut answers = gzip.post_transactions(futures::stream::iter([nested])).await.unwrap().into_inner();
    refused(answers.message().await, Code::OutOfRange, &words);
    refused(gzip.post_transaction(empty(1_000)).await, Code::InvalidArgument, &[]);

    let largest = pb::PostTransactionsRequest {
        sequence: 1,
        transactions: vec![post("key", &[("payer", "payee", "1.00"); 100]); 1_000],
    };
    check("florin.v1.PostTransactionsRequest", Bytes::from(largest.encode_to_vec())).unwrap();
    florin.stop().await;
}

/// Fails when streams for which nobody says who they are may be as many as connections allow, or when health cannot be
/// asked because of them.
#[tokio::test(flavor = "multi_thread")]
async fn streams_without_credentials_are_few_and_health_is_always_told() {
    let florin = Florin::start().await;
    let channel = Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let mut watching = Vec::new();
    let full = loop {
        match health.watch(HealthCheckRequest::default()).await {
            Ok(stream) => watching.push(stream),
            Err(status) => break status,
        }
        assert!(watching.len() < 1_000, "they are not bounded");
    };
    assert_eq!((full.code(), watching.len()), (Code::ResourceExhausted, 512), "{full}");
    health.check(HealthCheckRequest::default()).await.unwrap();
    let long = HealthCheckRequest { service: "x".repeat(5_000) };
    assert_eq!(health.check(long).await.unwrap_err().code(), Code::OutOfRange);
    watching.clear();
    crate::harness::until("a place is free again", async || {
        health.clone().watch(HealthCheckRequest::default()).await.is_ok()
    })
    .await;
    drop(health);
    florin.stop().await;
}
