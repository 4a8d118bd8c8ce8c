//! Our own write sessions: they end by themselves when they stall, and each lane's counts for itself.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use florin::protocol::pb::payment_v1 as pb;
use florin::protocol::record::{Api, KeyHash};
use florin::store::Database;
use florin::supervision::health::{Condition, Overall, Part};

use crate::faults::background;
use crate::harness::money::{Order, is_honest, reason};
use crate::harness::{Florin, Options, TestDatabase, until};
use crate::unknown::behind_proxy;

/// Ours that hold events back: they have a transaction id.
const WRITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'florin' AND backend_xid IS NOT NULL";

// Fails when the sessions have no `statement_timeout`: nobody is there to end this one, and no event in the cluster is final while it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_stalls_in_the_database_is_ended_there_though_its_node_is_cut_off() {
    let options = Options { answer_timeout: Duration::from_secs(1), lease: Duration::from_secs(20), ..Options::default() };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0)]).await;
    assert!(florin.pay("warm", "alice", "bob", 1_00).await.is_ok()); // the statement is prepared, so a batch is one message
    let mut holder = florin.database.pool.begin().await.unwrap();
    let row = "SELECT FROM balances WHERE account = (SELECT id FROM accounts WHERE name = 'bob') FOR UPDATE";
    sqlx::query(row).execute(&mut *holder).await.unwrap();
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
        let options = Options { answer_timeout: Duration::from_millis(500), write_cutoff: Duration::from_secs(4), ..Options::default() };
        let florin = Florin::with(TestDatabase::fresh().await, options).await;
        florin.database.account("alice", 10_00).await;
        florin.database.account("bob", 0).await;
        assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
        let session = florin.database.count("SELECT session FROM lanes").await;
        let mut holder = florin.database.pool.begin().await.unwrap();
        let row = "SELECT FROM balances WHERE account = (SELECT id FROM accounts WHERE name = 'bob') FOR UPDATE";
        sqlx::query(row).execute(&mut *holder).await.unwrap();
        let order = Order::new("k", "alice", "bob", 4_00);
        let sent = background(&florin, order.clone());
        until("the stalled session was ended", || async { florin.database.count("SELECT session FROM lanes").await > session }).await;
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

/// A key of this lane, of two.
fn key_of_lane(lane: u16) -> String {
    let is_its = |key: &String| {
        let hash = KeyHash::of(Api::PaymentV1, "default", key);
        u16::from_le_bytes([hash.0.as_bytes()[14], hash.0.as_bytes()[15]]) % 2 == lane
    };
    (0..).map(|n| format!("k{n}")).find(is_its).unwrap()
}

// Fails when a lane that comes back reports for all of them: calls then wait at a lane that is away, and health says that all is well.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_away_until_every_lane_has_reached_it_again() {
    let florin = Florin::with(TestDatabase::fresh().await, Options { lanes: 2, ..Options::default() }).await;
    for (name, balance) in [("a", 10_00), ("b", 0), ("c", 10_00), ("d", 0)] {
        florin.database.account(name, balance).await;
        florin.loaded(name).await;
    }
    let journal = florin.tree.node.active().unwrap().journal;
    until("both lanes have their sessions", || async { florin.database.count("SELECT count(*) FROM lanes WHERE session > 1").await == 2 }).await;
    florin.faults.hold("lane.before_commit");
    let orders = [Order::new(key_of_lane(0), "a", "b", 1_00), Order::new(key_of_lane(1), "c", "d", 1_00)];
    let [zero, one] = orders.clone().map(|order| background(&florin, order));
    until("both lanes are about to write", || async { florin.faults.hits("lane.before_commit") == 2 }).await;

    // Both lose their sessions; somebody holds the row of one, which so cannot come back.
    let mut holder = florin.database.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM lanes WHERE lane = 1 FOR UPDATE").execute(&mut *holder).await.unwrap();
    assert_eq!(florin.database.count("SELECT count(pg_terminate_backend(pid)) FROM lanes").await, 2);
    florin.faults.panic_at("lane.recover", u32::MAX, 0); // only counts
    florin.faults.release("lane.before_commit");
    let zero = zero.await.unwrap();
    assert_eq!(zero.as_ref().unwrap().status(), pb::PaymentStatus::Authorized, "its lane came back, and ran it again");
    until("both have tried to come back", || async { florin.faults.hits("lane.recover") >= 2 }).await;
    let tries = florin.faults.hits("lane.recover");
    until("the other has tried again", || async {
        assert!(journal.is_database_away(), "one lane spoke for the other");
        assert_eq!(florin.health.overall(), Overall::NotServing);
        florin.faults.hits("lane.recover") > tries
    })
    .await;
    assert_eq!(reason(&florin.pay(&format!("{}x", key_of_lane(0)), "a", "b", 1).await.unwrap_err()), "DATABASE_AWAY");
    holder.rollback().await.unwrap();
    florin.serving().await;
    assert_eq!(florin.health.condition(Part::Database), Condition::Up);
    assert!(!journal.is_database_away());
    let one = one.await.unwrap();
    assert!(one.as_ref().err().is_none_or(is_honest), "{one:?}");
    florin.check_after_faults(&orders, &[zero, one], &["a", "b", "c", "d"]).await;
    florin.stop().await;
}
