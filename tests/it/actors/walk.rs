//! Bounds: how many actors there are, how much is in flight, how much one account may have of it; and that all of it
//! comes back.
//!
//! Each test names the mutation of the product that makes it fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use florin_wire::payment_v1 as pb;
use futures::StreamExt;
use futures::stream;

use crate::harness::cases::is_large;
use crate::harness::money::{Order, reason, spawn};
use crate::harness::{Florin, Options, TestDatabase, tally, until};

// Fails when the directory loads without making room, or when an account that leaves keeps its place.
#[tokio::test(flavor = "multi_thread")]
async fn more_accounts_than_actors_are_paid_one_after_the_other() {
    let count = if is_large() { 1_000_000 } else { 100_000 };
    let bound = 1_000;
    let florin =
        Florin::with(TestDatabase::fresh().await, Options { active_accounts_max: bound, ..Options::default() }).await;
    florin.database.account("hub", 100_000_000_00).await;
    let many = "WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT 'default', 'w' || n, 1, 1, 'USD' FROM generate_series(1, $1) n RETURNING id) \
                INSERT INTO balances (account, floor) SELECT id, 0 FROM made";
    sqlx::query(many).bind(count).execute(&florin.database.pool).await.unwrap();
    sqlx::query("ANALYZE accounts, balances").execute(&florin.database.pool).await.unwrap();
    let registry = florin.tree.node.active().unwrap().registry;
    let (most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let sampler = spawn({
        let (most, done, registry) = (most.clone(), done.clone(), registry.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(registry.len(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let began = Instant::now();
    let failed = stream::iter(1..=count)
        .map(|n| {
            let order = Order::new(format!("k{n}"), "hub", &format!("w{n}"), 1);
            let client = florin.client.clone();
            async move { order.send(&client).await }
        })
        .buffer_unordered(256)
        .filter(|answer| {
            std::future::ready(!answer.as_ref().is_ok_and(|answer| answer.status() == pb::PaymentStatus::Authorized))
        })
        .collect::<Vec<_>>()
        .await;
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    sampler.await.unwrap();
    println!("{count} accounts in {took:?}, at most {} of {bound} loaded", most.load(Ordering::Relaxed));
    assert!(failed.is_empty(), "{:?} of {count}, such as {:?}", tally(&failed), failed[0]);
    assert!(most.load(Ordering::Relaxed) <= bound, "{} actors, the bound is {bound}", most.load(Ordering::Relaxed));
    assert_eq!(
        florin.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await,
        i64::from(count)
    );
    florin.stop().await;
}

// Fails when a command's place in the bound, or its legs, go back when its caller leaves instead of when it is
// resolved.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_nothing_behind() {
    let florin = Florin::start().await;
    for (name, balance) in [("alice", 100_00), ("bob", 0)] {
        florin.database.account(name, balance).await;
    }
    florin.faults.hold("lane.before_commit");
    let orders: Vec<_> = (0..40).map(|n| Order::new(format!("k{n}"), "alice", "bob", 5_00)).collect();
    let sent: Vec<_> = orders
        .iter()
        .map(|order| {
            let (order, client) = (order.clone(), florin.client.clone());
            spawn(async move { order.send(&client).await })
        })
        .collect();
    let journal = florin.tree.node.active().unwrap().journal;
    until("some are in a lane, the others wait for a leg", || async {
        journal.depth() == 20 && florin.in_flight.now() == 40
    })
    .await;
    for sent in sent {
        sent.abort();
    }
    florin.faults.release("lane.before_commit");
    until("every place came back", || async { florin.in_flight.now() == 0 }).await;
    let effects = florin.database.effects().await;
    assert_eq!(effects.len(), 20, "those that were admitted are done, though nobody hears of it");
    let alice = florin.loaded("alice").await;
    assert_eq!(alice.cell.in_flight().load(Ordering::Relaxed), 0);
    for order in &orders {
        let answer = order.send(&florin.client).await.unwrap();
        assert_eq!(answer.status() == pb::PaymentStatus::Duplicate, effects.contains_key(&order.key), "{}", order.key);
    }
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when a command beyond the bound waits or is taken, or when places are lost on the way of a refusal.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bounds_calls_are_shed_and_others_go_on() {
    let options = Options { in_flight_max: 30, account_share_max: 10, ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    for name in ["hot", "x", "y", "z"] {
        florin.database.account(name, 100_00).await;
    }
    let send = |order: Order| {
        let client = florin.client.clone();
        spawn(async move { order.send(&client).await })
    };
    for round in 0..3 {
        florin.faults.hold("lane.before_commit");
        let hot: Vec<_> = (0..10).map(|n| send(Order::new(format!("hot-{round}-{n}"), "hot", "x", 1))).collect();
        until("the hot account has its share", || async { florin.in_flight.now() == 10 }).await;
        let account = florin.loaded("hot").await;
        until("and its slips", || async { account.cell.in_flight().load(Ordering::Relaxed) == 10 }).await;
        let shed = florin.pay(&format!("shed-{round}"), "hot", "y", 1).await.unwrap_err();
        assert_eq!((shed.code(), reason(&shed).as_str()), (tonic::Code::ResourceExhausted, "ACCOUNT_LIMIT"));
        let others: Vec<_> = (0..10).map(|n| send(Order::new(format!("other-{round}-{n}"), "y", "z", 1))).collect();
        until("others are let in", || async { florin.in_flight.now() == 20 }).await;
        let declined: Vec<_> = (0..10).map(|n| send(Order::new(format!("zero-{round}-{n}"), "y", "z", 0))).collect();
        until("the node is full", || async { florin.in_flight.now() == 30 }).await;
        let shed = florin.pay(&format!("full-{round}"), "y", "z", 1).await.unwrap_err();
        assert_eq!((shed.code(), reason(&shed).as_str()), (tonic::Code::ResourceExhausted, "IN_FLIGHT_LIMIT"));
        florin.faults.release("lane.before_commit");
        for sent in hot.into_iter().chain(others) {
            assert_eq!(sent.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
        }
        for sent in declined {
            assert_eq!(sent.await.unwrap().unwrap().status(), pb::PaymentStatus::Declined);
        }
        until("every place came back", || async { florin.in_flight.now() == 0 }).await;
        assert_eq!(account.cell.in_flight().load(Ordering::Relaxed), 0);
    }
    florin.check_no_open_legs(&["hot", "x", "y", "z"]).await;
    florin.stop().await;
}
