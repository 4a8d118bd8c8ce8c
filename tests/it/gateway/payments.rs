//! payment.v1, row by row.

use florin_wire::payment_v1 as pb;
use futures::future::join_all;

use crate::harness::{Florin, tally};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_moves_money_once_and_a_repeat_answers_the_first() {
    let florin = Florin::start().await;
    florin.database.account("alice", 100_00).await;
    florin.database.account("bob", 0).await;
    let first = florin.pay("k1", "alice", "bob", 12_50).await.unwrap();
    assert_eq!(first.status(), pb::PaymentStatus::Authorized);
    assert_eq!(first.payment_id.len(), 26);
    assert!(first.error.is_none() && first.processed_at.ends_with("+00:00"), "{first:?}");
    let again = florin.pay("k1", "alice", "bob", 12_50).await.unwrap();
    assert_eq!(again.status(), pb::PaymentStatus::Duplicate);
    assert_eq!((again.payment_id, again.processed_at), (first.payment_id.clone(), first.processed_at));
    assert_eq!((florin.balance("alice").await, florin.balance("bob").await), (87_50, 12_50));
    let other = florin.pay("k1", "alice", "bob", 12_51).await.unwrap_err();
    assert_eq!(other.code(), tonic::Code::Aborted);
    let read = florin
        .client
        .clone()
        .get_payment(pb::GetPaymentRequest { payment_id: first.payment_id })
        .await
        .unwrap()
        .into_inner()
        .payment
        .unwrap();
    assert_eq!(
        (read.amount_cents, read.payer_account_id.as_str(), read.status()),
        (12_50, "alice", pb::PaymentStatus::Authorized)
    );
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_payments_that_together_overdraw_exactly_those_that_fit_are_authorized() {
    let florin = Florin::start().await;
    florin.database.account("alice", 50_00).await;
    florin.database.account("bob", 0).await;
    let keys: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    let answers = join_all(keys.iter().map(|key| florin.pay(key, "alice", "bob", 1_00))).await;
    let counts = tally(&answers);
    assert_eq!((counts["AUTHORIZED"], counts["INSUFFICIENT_FUNDS"]), (50, 50), "{counts:?}");
    assert_eq!((florin.balance("alice").await, florin.balance("bob").await), (0, 50_00));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_a_hundred_times_at_once_has_one_effect() {
    let florin = Florin::start().await;
    florin.database.account("alice", 100_00).await;
    florin.database.account("bob", 0).await;
    let answers = join_all((0..100).map(|_| florin.pay("same", "alice", "bob", 3_00))).await;
    let counts = tally(&answers);
    assert_eq!((counts["AUTHORIZED"], counts["DUPLICATE"]), (1, 99), "{counts:?}");
    assert_eq!(florin.balance("bob").await, 3_00);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_in_both_directions_at_once_never_deadlock() {
    let florin = Florin::start().await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 10_000).await;
    }
    let names = ["a", "b", "c"];
    let keys: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
    let answers = join_all(
        keys.iter().enumerate().map(|(n, key)| florin.pay(key, names[n % 3], names[(n + 1 + n / 3 % 2) % 3], 1)),
    )
    .await;
    assert_eq!(tally(&answers)["AUTHORIZED"], 600);
    let sum = florin.balance("a").await + florin.balance("b").await + florin.balance("c").await;
    assert_eq!(sum, 30_000);
    florin.stop().await;
}
