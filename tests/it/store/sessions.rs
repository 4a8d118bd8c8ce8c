//! Our own write sessions: they end by themselves when they stall.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use florin::store::Database;
use florin_wire::payment_v1 as pb;

use crate::actors::faults::background;
use crate::actors::unknown::behind_proxy;
use crate::harness::money::{Order, is_honest};
use crate::harness::{Florin, Options, TestDatabase, until};

/// Ours that hold events back: they have a transaction id.
const WRITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'florin' AND backend_xid IS NOT NULL";

// Fails when the sessions have no `statement_timeout`: nobody is there to end this one, and no event in the cluster is
// final while it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_stalls_in_the_database_is_ended_there_though_its_node_is_cut_off() {
    let options =
        Options { answer_timeout: Duration::from_secs(1), lease: Duration::from_secs(20), ..Options::default() };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0)]).await;
    // the statement is prepared, so a batch is one message
    assert!(florin.pay("warm", "alice", "bob", 1_00).await.is_ok());
    let mut holder = florin.database.pool.begin().await.unwrap();
    // a batch has its writer's row when it looks there
    let rows = "LOCK TABLE journal_partitions IN ACCESS EXCLUSIVE MODE";
    sqlx::query(rows).execute(&mut *holder).await.unwrap();
    let order = Order::new("k", "alice", "bob", 4_00);
    let sent = background(&florin, order.clone());
    until("the batch stalls in the database", || async { florin.database.count(WRITING).await == 1 }).await;
    proxy.stall();
    until("the database has ended it", || async { florin.database.count(WRITING).await == 0 }).await;
    holder.rollback().await.unwrap();
    proxy.pass_new();
    let first = sent.await.unwrap();
    assert!(first.as_ref().err().is_none_or(is_honest), "{first:?}");
    florin.check_after_faults(&[order], &[first], &["alice", "bob"]).await;
    assert_eq!(florin.database.effects().await.get("k"), Some(&1));
    florin.stop().await;
}

// Fails when a lane whose statement was ended does not run its batch again, or runs it again after its cut-off.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_batch_stalls_is_done_once_the_database_goes_on_or_not_at_all() {
    for in_time in [true, false] {
        let options = Options {
            answer_timeout: Duration::from_millis(500),
            write_cutoff: Duration::from_secs(4),
            ..Options::default()
        };
        let florin = Florin::with(TestDatabase::fresh().await, options).await;
        florin.database.account("alice", 10_00).await;
        florin.database.account("bob", 0).await;
        assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
        let session = florin.database.count("SELECT session FROM writers").await;
        let mut holder = florin.database.pool.begin().await.unwrap();
        // a batch has its writer's row when it looks there
        let rows = "LOCK TABLE journal_partitions IN ACCESS EXCLUSIVE MODE";
        sqlx::query(rows).execute(&mut *holder).await.unwrap();
        let order = Order::new("k", "alice", "bob", 4_00);
        let sent = background(&florin, order.clone());
        until("the stalled session was ended", || async {
            florin.database.count("SELECT session FROM writers").await > session
        })
        .await;
        let answer = if in_time {
            holder.rollback().await.unwrap();
            let answer = sent.await.unwrap();
            assert_eq!(answer.as_ref().unwrap().status(), pb::PaymentStatus::Authorized);
            answer
        } else {
            let answer = sent.await.unwrap();
            until("it was released", || async { florin.in_flight.now() == 0 }).await;
            holder.rollback().await.unwrap();
            florin.serving().await;
            assert!(answer.as_ref().is_err_and(is_honest), "{answer:?}");
            assert!(!florin.database.effects().await.contains_key("k"), "it ran, with nobody waiting");
            answer
        };
        florin.check_after_faults(&[order], &[answer], &["alice", "bob"]).await;
        florin.stop().await;
    }
}

// Fails when the sessions of a pool have no `idle_in_transaction_session_timeout`.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_draws_an_id_and_idles_is_ended() {
    let database = TestDatabase::fresh().await;
    let ours = Database::new(&database.url).unwrap();
    let mut idle = Vec::new();
    for pool in [ours.pool(1), ours.publishing_pool()] {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("SELECT pg_current_xact_id()").execute(&mut *transaction).await.unwrap();
        idle.push(transaction);
    }
    assert_eq!(database.count(WRITING).await, 2);
    until("both were ended", || async { database.count(WRITING).await == 0 }).await;
    for transaction in idle {
        assert!(transaction.commit().await.is_err());
    }
}
