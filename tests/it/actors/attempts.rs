//! "Nothing was done" speaks of every attempt under a key, or it is not said.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use chrono::Utc;
use florin::protocol::record::Api;
use florin::teller::failure::Failure;
use florin_wire::florin_v1 as native;
use florin_wire::payment_v1 as pb;
use tonic::Code;

use crate::actors::faults::{background, named_by};
use crate::actors::unknown::behind_proxy;
use crate::harness::money::{Order, reason, spawn};
use crate::harness::{Florin, Options, TestDatabase, until};

// Fails when a repeat is refused because the database is away, without a thought of its first attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_what_is_in_a_batch_of_unknown_outcome_is_not_told_that_nothing_was_done() {
    let options = Options { answer_timeout: Duration::from_millis(500), ..Options::default() };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0)]).await;
    for name in ["alice", "bob"] {
        florin.loaded(name).await;
    }
    let order = Order::new("k", "alice", "bob", 4_00);
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, order.clone());
    until("the batch is about to be sent", async || florin.faults.hits("lane.before_commit") > 0).await;
    first.abort(); // its caller hangs up
    proxy.close().await;
    florin.faults.release("lane.before_commit");
    until("the database is known to be away", async || florin.journal().is_database_away()).await;
    let repeat = order.send(&florin.client).await.unwrap_err();
    assert_eq!((repeat.code(), reason(&repeat).as_str()), (Code::Unavailable, "OUTCOME_UNKNOWN"), "{repeat:?}");
    assert!(repeat.message().contains("the database is away"), "{repeat:?}");
    proxy.open().await;
    florin.serving().await;
    until("the first attempt is done after all", async || florin.database.effects().await.contains_key("k")).await;
    assert_eq!(order.insist(std::slice::from_ref(&florin.client)).await.status(), pb::PaymentStatus::Duplicate);
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when `certain` does not look whether an earlier attempt is in flight, whether the key was used, or whether
// another node leads by now.
#[tokio::test(flavor = "multi_thread")]
async fn not_done_is_said_where_no_attempt_was_done_or_can_be() {
    let florin = Florin::with(TestDatabase::fresh().await, Options::default()).await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    let told = async |key: &str, failure: Failure| {
        let attempt = florin.ledger.attempt(Api::PaymentV1, "default", Some(key));
        florin.ledger.certain(attempt.as_deref(), Err::<(), _>(failure)).await.unwrap_err()
    };
    let says_not_done = async |key: &str| {
        let late = told(key, Failure::TooLate).await;
        let wrong = told(key, Failure::FailedPrecondition("the rate is too old".into())).await;
        assert_eq!(late.reason() == "TOO_LATE", wrong.reason() == "FAILED_PRECONDITION", "{late:?} {wrong:?}");
        late.reason() == "TOO_LATE"
    };
    assert!(says_not_done("new").await);
    assert_eq!(told("new", Failure::DatabaseAway).await.reason(), "OUTCOME_UNKNOWN", "nobody can look");

    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k", "alice", "bob", 1_00));
    until("it is in flight", async || florin.faults.hits("lane.before_commit") > 0).await;
    first.abort();
    assert!(!says_not_done("k").await, "it may be done yet");
    florin.faults.release("lane.before_commit");
    until("it is done", async || florin.database.effects().await.contains_key("k")).await;
    assert!(!says_not_done("k").await, "it was done");
    assert!(says_not_done("other").await);

    let taken = "UPDATE leadership SET epoch = epoch + 1, holder = 'another'";
    sqlx::query(taken).execute(&florin.database.pool).await.unwrap();
    assert!(!says_not_done("other").await, "the other node may be doing it");
    florin.kill().await;
}

// Fails when an account's refusal, or one for what is left, is told to a later attempt while an earlier one under the
// same key is in flight (`goes_first` always true).
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_would_be_declined_waits_for_the_one_before_it() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    // The first attempt is held up before its accounts see it.
    let key = florin.ledger.attempt(Api::PaymentV1, "default", Some("k"));
    let order = Order::new("k", "alice", "bob", 10_01);
    let second = background(&florin, order.clone());
    named_by(&florin, "alice", 0).await;
    let third = tokio::time::timeout(Duration::from_millis(300), order.send(&florin.client)).await;
    assert!(third.is_err() && !second.is_finished(), "declined: {third:?}");
    drop(key);
    assert_eq!(second.await.unwrap().unwrap().status(), pb::PaymentStatus::Declined);
    florin.stop().await;
}

// Fails when the age of a rate is told to a repeat whose first attempt is being written.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_an_exchange_that_is_in_flight_is_not_told_that_its_rate_is_too_old() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    let mut client = florin.native.clone();
    let euros = native::CreateAccountRequest {
        id: "e".into(),
        kind: native::AccountKind::User.into(),
        currency: "EUR".into(),
        ..Default::default()
    };
    client.create_account(euros).await.unwrap();
    let rate = native::AddRateRequest {
        base: "USD".into(),
        quote: "EUR".into(),
        rate: "0.9".into(),
        source: "desk".into(),
        observed_at: (Utc::now() - chrono::TimeDelta::minutes(59)).to_rfc3339(),
        ..Default::default()
    };
    client.add_rate(rate).await.unwrap();
    let exchange = |key: &str| native::ExchangeRequest {
        idempotency_key: key.into(),
        source_account_id: "a".into(),
        destination_account_id: "e".into(),
        amount: "10".into(),
        currency: "USD".into(),
        destination_currency: "EUR".into(),
        ..Default::default()
    };
    client.exchange(exchange("opens the clearing accounts")).await.unwrap();
    florin.faults.hold("lane.before_commit");
    let (mut first, request) = (florin.native.clone(), exchange("k"));
    let first = spawn(async move { first.exchange(request).await });
    until("it is about to be written", async || florin.faults.hits("lane.before_commit") > 0).await;
    sqlx::raw_sql("ALTER TABLE rates DISABLE TRIGGER append_only; UPDATE rates SET observed_at = observed_at - interval '2 minutes'; ALTER TABLE rates ENABLE TRIGGER append_only")
        .execute(&florin.database.pool)
        .await
        .unwrap();
    let repeat = client.exchange(exchange("k")).await.unwrap_err();
    assert_eq!((repeat.code(), reason(&repeat).as_str()), (Code::Unavailable, "OUTCOME_UNKNOWN"), "{repeat:?}");
    let other = client.exchange(exchange("other")).await.unwrap_err();
    assert_eq!(reason(&other), "FAILED_PRECONDITION", "{other:?}");
    florin.faults.release("lane.before_commit");
    let done = first.await.unwrap().unwrap().into_inner();
    let again = client.exchange(exchange("k")).await.unwrap().into_inner();
    assert!(again.replayed && again.transaction.unwrap().id == done.transaction.unwrap().id);
    florin.stop().await;
}
