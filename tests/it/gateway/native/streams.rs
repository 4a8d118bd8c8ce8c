//! PostTransactions.

use std::time::Duration;

use florin_wire::florin_v1 as pb;
use futures::StreamExt;
use pb::post_transaction_outcome::Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming};

use super::{post, refused};
use crate::harness::{Florin, until};

/// Both ends of a stream.
async fn stream(
    florin: &Florin,
) -> (mpsc::UnboundedSender<pb::PostTransactionsRequest>, Streaming<pb::PostTransactionsResponse>) {
    let (send, requests) = mpsc::unbounded_channel();
    let answers =
        florin.native.clone().post_transactions(UnboundedReceiverStream::new(requests)).await.unwrap().into_inner();
    (send, answers)
}

fn id(outcome: &pb::PostTransactionOutcome) -> &pb::Transaction {
    match outcome.outcome.as_ref().unwrap() {
        Outcome::Response(response) => response.transaction.as_ref().unwrap(),
        Outcome::Error(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_answered_in_order_with_an_outcome_for_each_transaction() {
    let florin = Florin::start().await;
    for n in 0..10 {
        florin.database.account(&format!("u{n}"), 10_000).await;
    }
    let (send, mut answers) = stream(&florin).await;
    for sequence in 0..16u64 {
        let transactions = (0..100)
            .map(|n| match n {
                7 => post("", &[("u1", "u2", "1.001")]),
                8 => post("", &[("u1", "nobody", "1")]),
                9 => post("shared", &[("u3", "u4", "0.05")]),
                _ => post(
                    &format!("{sequence}/{n}"),
                    &[(&format!("u{}", n % 10), &format!("u{}", (n + 3) % 10), "0.01")],
                ),
            })
            .collect();
        send.send(pb::PostTransactionsRequest { sequence, transactions }).unwrap();
    }
    drop(send);
    let mut replayed = 0;
    for sequence in 0..16u64 {
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!((answer.sequence, answer.outcomes.len()), (sequence, 100));
        for (n, outcome) in answer.outcomes.iter().enumerate() {
            match (n, outcome.outcome.as_ref().unwrap()) {
                (7, Outcome::Error(error)) => {
                    assert_eq!((error.code, error.reason.as_str()), (Code::InvalidArgument as i32, "INVALID_ARGUMENT"));
                    assert!(error.message.contains("postings[0].amount \"1.001\""), "{}", error.message);
                }
                (8, Outcome::Response(_)) => {
                    assert_eq!(id(outcome).decline.as_ref().unwrap().code(), pb::DeclineCode::AccountNotFound)
                }
                (9, Outcome::Response(response)) => replayed += u32::from(response.replayed),
                (_, Outcome::Response(_)) => assert_eq!(
                    (id(outcome).idempotency_key.clone(), id(outcome).status()),
                    (format!("{sequence}/{n}"), pb::TransactionStatus::Completed)
                ),
                (n, other) => panic!("{n}: {other:?}"),
            }
        }
    }
    assert!(answers.next().await.is_none());
    assert_eq!(replayed, 15);
    assert_eq!(
        florin.database.count("SELECT count(*) FROM transactions WHERE kind = 2 AND status = 1").await,
        16 * 97 + 1
    );
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_does_not_listen_is_not_read_on_and_what_was_read_is_carried_out() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_000).await;
    florin.database.account("b", 0).await;
    let (send, mut answers) = stream(&florin).await;
    for sequence in 0..40u64 {
        let transactions = (0..10).map(|n| post(&format!("{sequence}/{n}"), &[("a", "b", "0.01")])).collect();
        send.send(pb::PostTransactionsRequest { sequence, transactions }).unwrap();
    }
    // Held at the first batch, no more than 16 messages are taken on.
    until("some are in", || async { florin.balance("b").await >= 1 }).await;
    for sequence in 0..40u64 {
        assert_eq!(answers.next().await.unwrap().unwrap().sequence, sequence);
    }
    florin.faults.hold("lane.before_commit");
    for sequence in 40..80u64 {
        let transactions = (0..10).map(|n| post(&format!("{sequence}/{n}"), &[("a", "b", "0.01")])).collect();
        send.send(pb::PostTransactionsRequest { sequence, transactions }).unwrap();
    }
    until("16 messages are in execution", || async { florin.in_flight.now() == 160 }).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(300), answers.next()).await.is_err(),
        "nothing is answered before it is durable"
    );
    assert_eq!(florin.in_flight.now(), 160, "a seventeenth message was taken on");
    // The caller leaves: what was taken on happens.
    drop((send, answers));
    florin.faults.release("lane.before_commit");
    until("all that was taken on is done", || async {
        florin.balance("b").await == 560 && florin.in_flight.now() == 0
    })
    .await;
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_thousand_is_executed_and_one_more_ends_the_stream() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_000).await;
    florin.database.account("b", 0).await;
    let (send, mut answers) = stream(&florin).await;
    let of = |count: usize| pb::PostTransactionsRequest {
        sequence: 9,
        transactions: vec![post("", &[("a", "b", "0.01")]); count],
    };
    for count in [1_000, 0, 1_001] {
        send.send(of(count)).unwrap();
    }
    assert_eq!(answers.next().await.unwrap().unwrap().outcomes.len(), 1_000);
    assert_eq!(answers.next().await.unwrap().unwrap().outcomes.len(), 0);
    refused(answers.next().await.unwrap(), Code::InvalidArgument, &["transactions", "1001", "1000"]);
    assert_eq!(florin.balance("b").await, 1_000);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_would_be_too_large_leaves_out_what_the_caller_said() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_000).await;
    florin.database.account("b", 0).await;
    let (send, mut answers) = stream(&florin).await;
    // 3.9 MiB in, and more than 4 MiB out with ids and times.
    let one = pb::PostTransactionRequest {
        description: "x".repeat(1_024),
        metadata: (0..6).map(|n| (n.to_string(), "y".repeat(506))).collect(),
        ..post("", &[("a", "b", "0.01")])
    };
    send.send(pb::PostTransactionsRequest { sequence: 1, transactions: vec![one; 1_000] }).unwrap();
    let answer = answers.next().await.unwrap().unwrap();
    assert!(
        answer
            .outcomes
            .iter()
            .all(|outcome| id(outcome).status() == pb::TransactionStatus::Completed && id(outcome).postings.is_empty())
    );
    drop((send, answers));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_does_not_keep_the_node_from_stopping() {
    let florin = Florin::start().await;
    let (send, mut answers) = stream(&florin).await;
    send.send(pb::PostTransactionsRequest { sequence: 1, transactions: Vec::new() }).unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().sequence, 1);
    let began = std::time::Instant::now();
    florin.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    refused(answers.next().await.unwrap(), Code::Unavailable, &[]);
}
