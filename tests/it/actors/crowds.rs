//! What one caller sends at once costs the others a few batches, whatever becomes of it.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use florin_wire::florin_v1 as pb;
use florin_wire::payment_v1::PaymentStatus;
use futures::future::join_all;
use sqlx::Executor;
use tonic::Status;

use crate::actors::faults::background;
use crate::harness::money::{Order, spawn};
use crate::harness::{Florin, Options, TestDatabase, tally, until};

/// So many requests come while a batch is being written.
const CROWD: usize = 600;
/// Batches that they may take afterwards: one by one they would take twice as many as they are. Declines are written as
/// they come, a few at a time.
const BATCHES_MAX: u64 = 200;

async fn started(options: Options) -> Florin {
    let database = TestDatabase::fresh().await;
    for name in ["a", "b", "c", "d"] {
        database.account(name, 1_000_000_00).await;
    }
    Florin::with(database, options).await
}

/// What these requests are answered that all wait for the same batch, and how many batches they then take.
async fn crowd<T: Send + 'static>(
    florin: &Florin,
    requests: impl Iterator<Item = impl Future<Output = Result<T, Status>> + Send + 'static>,
) -> (Vec<Result<T, Status>>, u64) {
    florin.faults.hold("lane.before_commit");
    let before = florin.faults.hits("lane.before_commit");
    let first = background(florin, Order::new("first", "c", "d", 1));
    until("a batch is being written", async || florin.faults.hits("lane.before_commit") > before).await;
    let sent: Vec<_> = requests.map(spawn).collect();
    let count = sent.len();
    until("all wait for it", async || florin.in_flight.now() > count).await;
    florin.faults.release("lane.before_commit");
    let answers = join_all(sent).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(first.await.unwrap().unwrap().status(), PaymentStatus::Authorized);
    (answers, florin.faults.hits("lane.before_commit") - before - 1)
}

fn hold(key: &str, amount: &str) -> pb::AuthorizeHoldRequest {
    pb::AuthorizeHoldRequest {
        idempotency_key: key.into(),
        source_account_id: "a".into(),
        destination_account_id: "b".into(),
        amount: amount.into(),
        currency: "USD".into(),
        ..pb::AuthorizeHoldRequest::default()
    }
}

// Fails when a batch that is refused for what is left of a hold is split until each capture stands alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_captures_of_one_hold_costs_a_few_batches() {
    let florin = started(Options::default()).await;
    let id = florin.native.clone().authorize_hold(hold("h", "10")).await.unwrap().into_inner().hold.unwrap().id;
    let captures = (0..CROWD).map(|n| {
        let mut native = florin.native.clone();
        let request = pb::CaptureHoldRequest {
            idempotency_key: format!("c{n}"),
            hold_id: id.clone(),
            amount: "1".into(),
            ..pb::CaptureHoldRequest::default()
        };
        async move { Ok(native.capture_hold(request).await?.into_inner().transaction.unwrap()) }
    });
    let (answers, batches) = crowd(&florin, captures).await;
    let done = answers.iter().filter(|answer| answer.as_ref().unwrap().decline.is_none()).count();
    assert_eq!(done, 10);
    assert!(batches < BATCHES_MAX, "{batches} batches");
    florin.stop().await;
}

// Fails when a batch that is refused for what was given back of a payment is split until each reversal stands alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_reversals_of_one_payment_costs_a_few_batches() {
    let florin = started(Options::default()).await;
    let paid = florin.pay("p", "a", "b", 10_00).await.unwrap().payment_id.parse::<ulid::Ulid>().unwrap();
    let reversals = (0..CROWD).map(|n| {
        let mut native = florin.native.clone();
        let request = pb::ReverseTransactionRequest {
            idempotency_key: format!("r{n}"),
            id: uuid::Uuid::from_u128(paid.0).to_string(),
            ..pb::ReverseTransactionRequest::default()
        };
        async move { Ok(native.reverse_transaction(request).await?.into_inner().transaction.unwrap()) }
    });
    let (answers, batches) = crowd(&florin, reversals).await;
    let done = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|one| one.decline.is_none())).count();
    assert_eq!(done, 1);
    assert!(batches < BATCHES_MAX, "{batches} batches");
    florin.stop().await;
}

// Fails when repeats that wait in the queue are each put into a batch of their own (`Lane::resolve_used` without them).
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_repeats_costs_a_few_batches() {
    let florin = started(Options::default()).await;
    let repeats = (0..CROWD).map(|_| {
        let (client, order) = (florin.client.clone(), Order::new("same", "a", "b", 1));
        async move { order.send(&client).await }
    });
    let (answers, batches) = crowd(&florin, repeats).await;
    let counts = tally(&answers);
    assert_eq!((counts["AUTHORIZED"], counts["DUPLICATE"]), (1, CROWD - 1), "{counts:?}");
    assert!(batches < BATCHES_MAX, "{batches} batches");
    florin.stop().await;
}

// Fails when a batch that was not written in time is tried again whole (`LaneState::limit` stays): then nothing is
// ever written.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_for_a_slow_database_is_written_in_parts() {
    let answer_timeout = Duration::from_secs(1);
    let florin = started(Options { answer_timeout, ..Options::default() }).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN new; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON journal_1 FOR EACH ROW EXECUTE FUNCTION slow()";
    florin.database.pool.execute(slow).await.unwrap();
    let payments = (0..CROWD).map(|n| {
        let (client, order) = (florin.client.clone(), Order::new(format!("k{n}"), "a", "b", 1));
        async move { order.send(&client).await }
    });
    let (answers, _) = crowd(&florin, payments).await;
    let counts = tally(&answers);
    assert_eq!(counts.get("AUTHORIZED"), Some(&CROWD), "{counts:?}");
    florin.stop().await;
}

// Fails when only the records of a batch are bounded (`Lane::take` without `ROWS_MAX`).
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_long_transactions_is_written_in_several_batches() {
    let florin = started(Options::default()).await;
    let long = (0..250).map(|n| {
        let mut native = florin.native.clone();
        let posting = pb::Posting {
            source_account_id: "a".into(),
            destination_account_id: "b".into(),
            amount: "0.01".into(),
            currency: "USD".into(),
            ..pb::Posting::default()
        };
        let request = pb::PostTransactionRequest {
            idempotency_key: format!("t{n}"),
            kind: "transfer".into(),
            postings: vec![posting; 100],
            ..pb::PostTransactionRequest::default()
        };
        async move { Ok(native.post_transaction(request).await?.into_inner()) }
    });
    let (answers, batches) = crowd(&florin, long).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(batches >= 3, "25,000 rows in {batches} batches");
    let rows =
        "SELECT max(rows) FROM (SELECT count(*) AS rows FROM journal WHERE kind <> 0 GROUP BY seq >> 20) batches";
    let largest: i64 = sqlx::query_scalar(rows).fetch_one(&florin.database.pool).await.unwrap();
    assert!(largest <= 10_100, "a batch has {largest} rows");
    florin.stop().await;
}

// Fails when the accounts of expired holds are loaded one after the other: then each is a load of its own.
#[tokio::test(flavor = "multi_thread")]
async fn holds_of_many_cold_accounts_expire_together() {
    let florin = started(Options::default()).await;
    let many = "WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT 'default', 'cold' || n, 1, 1, 'USD' FROM generate_series(1, 300) n RETURNING id) \
                INSERT INTO balances (account) SELECT id FROM made";
    florin.database.pool.execute(many).await.unwrap();
    let expires_at = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    let holds = (1..=300).map(|n| {
        let (mut native, source) = (florin.native.clone(), format!("cold{n}"));
        let request = pb::AuthorizeHoldRequest {
            source_account_id: source.clone(),
            expires_at: expires_at.clone(),
            ..hold(&source, "1")
        };
        async move { native.authorize_hold(request).await.unwrap() }
    });
    join_all(holds).await;
    let (database, _) = (florin.database.clone(), florin.stop().await);
    database.pool.execute("UPDATE holds SET expires_at = now()").await.unwrap();
    let florin = Florin::with(database, Options::default()).await;
    let open = "SELECT count(*) FROM holds WHERE captured + voided < amount";
    let began = Instant::now();
    until("all have expired", async || florin.database.count(open).await == 0).await;
    println!("300 holds of cold accounts expired in {:?}", began.elapsed());
    let loads = florin.faults.hits("directory.loading");
    assert!(loads < 100, "{loads} loads");
    florin.stop().await;
}
