//! Two processes on one database: one serves, one stands by; whatever happens between them, one key has one effect.
//!
//! Each test names the mutation of the product that makes it fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use florin::resilience::health::Overall;
use florin_wire::payment_v1 as pb;
use futures::StreamExt;
use futures::stream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::money::{Client, Order, reason, spawn};
use crate::harness::proxy::{Flow, Proxy};
use crate::harness::{Florin, Options, TestDatabase, until};

pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The first of two, serving, and its standby.
pub async fn two(options: Options) -> (Florin, Florin) {
    let database = TestDatabase::fresh().await;
    for name in NAMES {
        database.account(name, 1_000_00).await;
    }
    let url = database.url.clone();
    let first = Florin::standby(database.clone(), &url, options.clone(), "first").await;
    first.serving().await;
    let second = Florin::standby(database, &url, options, "second").await;
    (first, second)
}

async fn health(florin: &Florin) -> ServingStatus {
    let channel =
        tonic::transport::Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
    HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner().status()
}

fn orders(count: usize) -> Vec<Order> {
    (0..count)
        .map(|n| {
            Order::new(
                format!("k{n}"),
                NAMES[n % 4],
                NAMES[(n + 1 + n / 4 % 3) % 4],
                10 + i64::try_from(n % 90).unwrap(),
            )
        })
        .collect()
}

/// Insists on every order at both nodes, 32 at a time.
async fn hammer(clients: [Client; 2], orders: Vec<Order>) -> usize {
    let insist = |order: Order| {
        let clients = clients.clone();
        async move { order.insist(&clients).await.status() != pb::PaymentStatus::Declined }
    };
    stream::iter(orders).map(insist).buffer_unordered(32).filter(|done| std::future::ready(*done)).count().await
}

/// Asks a node again and again until it has done one payment; answers when.
async fn first_success(client: Client) -> Instant {
    for n in 0.. {
        if Order::new(format!("probe-{n}"), "a", "b", 1).send(&client).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Instant::now()
}

// Fails when a node without the lease answers anything but UNAVAILABLE, or calls itself serving.
#[tokio::test(flavor = "multi_thread")]
async fn the_standby_serves_nothing_and_takes_over_at_once_when_the_first_lets_go() {
    let (first, second) = two(Options { lease: Duration::from_secs(6), ..Options::default() }).await;
    assert_eq!((health(&first).await, health(&second).await), (ServingStatus::Serving, ServingStatus::NotServing));
    let refused = second.pay("k", "a", "b", 1).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::Unavailable, "OUTCOME_UNKNOWN"));
    assert!(refused.message().starts_with("this node stands by"), "{refused:?}");
    let read = second
        .client
        .clone()
        .get_account_balance(pb::GetAccountBalanceRequest { account_id: "a".into() })
        .await
        .unwrap_err();
    assert_eq!(read.code(), tonic::Code::Unavailable);
    assert_eq!(first.pay("k", "a", "b", 1).await.unwrap().status(), pb::PaymentStatus::Authorized);
    let before = Instant::now();
    first.tree.stop().await;
    second.serving().await;
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}, the lease is 6 s", before.elapsed());
    assert_eq!(second.pay("k", "a", "b", 1).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    let before = Instant::now();
    let refused = first.pay("k2", "a", "b", 1).await.unwrap_err();
    assert!(
        refused.code() == tonic::Code::Unavailable && before.elapsed() < Duration::from_millis(200),
        "{refused:?} after {:?}",
        before.elapsed()
    );
    assert_eq!(health(&first).await, ServingStatus::NotServing);
    second.stop().await;
}

// Fails when the epoch is not part of the fence, or the standby loads accounts before it has raised it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_replaced_within_its_lease_and_nothing_doubles() {
    let lease = Duration::from_secs(2);
    let (first, second) = two(Options { lease, ..Options::default() }).await;
    let clients = [first.client.clone(), second.client.clone()];
    let load = spawn(hammer(clients, orders(2_000)));
    until("payments flow", || async {
        first.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await > 300
    })
    .await;
    let probe = spawn(first_success(second.client.clone()));
    let before = Instant::now();
    first.kill().await;
    let took = probe.await.unwrap() - before;
    println!("takeover after a kill: {took:?}");
    assert!(took < lease + Duration::from_millis(1_500), "{took:?}");
    let done = load.await.unwrap();
    let effects = second.database.effects().await;
    assert_eq!(effects.iter().filter(|(key, _)| key.starts_with('k')).count(), done);
    assert!(effects.values().all(|rows| *rows == 1));
    second.check_no_open_legs(&NAMES).await;
    second.stop().await;
}

// Fails when a release under load leaves the old node writing, or answers as not done what it wrote.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_handed_to_and_fro_under_load_and_nothing_doubles() {
    let (first, second) = two(Options { lease: Duration::from_secs(1), ..Options::default() }).await;
    let database = second.database.clone();
    let load = spawn(hammer([first.client.clone(), second.client.clone()], orders(3_000)));
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        sqlx::query("UPDATE leadership SET expires_at = '-infinity', holder = 'nobody'")
            .execute(&database.pool)
            .await
            .unwrap(); // whoever comes first
    }
    let done = load.await.unwrap();
    let effects = database.effects().await;
    assert_eq!(effects.len(), done);
    assert!(effects.values().all(|rows| *rows == 1));
    database.check_books().await;
    until("exactly one serves", || async {
        (first.health.overall() == Overall::NotServing) != (second.health.overall() == Overall::NotServing)
    })
    .await;
    let (serving, other) =
        if first.health.overall() == Overall::NotServing { (second, first) } else { (first, second) };
    until("the other has let its accounts go", || async { other.tree.node.active().is_none() }).await;
    serving.check_no_open_legs(&NAMES).await;
    other.kill().await;
    serving.stop().await;
}

// Fails when `commit_batch` only reads the epoch, or does not look at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_node_that_slept_through_the_takeover_fails_whole() {
    let (first, second) = two(Options { lease: Duration::from_secs(1), ..Options::default() }).await;
    first.faults.hold("lane.before_commit");
    let late = orders(40);
    let sent: Vec<_> = late
        .iter()
        .map(|order| {
            let (order, client) = (order.clone(), first.client.clone());
            spawn(async move { order.send(&client).await })
        })
        .collect();
    until("a batch is taken", || async { first.faults.hits("lane.before_commit") > 0 }).await;
    first.faults.hold("leadership.tick"); // asleep
    second.serving().await;
    for n in 0..100 {
        assert_eq!(
            second.pay(&format!("new{n}"), NAMES[n % 4], NAMES[(n + 1) % 4], 7).await.unwrap().status(),
            pb::PaymentStatus::Authorized
        );
    }
    first.faults.release("lane.before_commit"); // awake: its batch goes out
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    }
    assert_eq!(
        second.database.effects().await.keys().filter(|key| key.starts_with('k')).count(),
        0,
        "the fenced batch was written"
    );
    first.faults.release("leadership.tick");
    until("the fenced node has let its accounts go", || async { first.tree.node.active().is_none() }).await;
    assert_eq!(health(&first).await, ServingStatus::NotServing);
    assert_eq!(first.pay("x", "a", "b", 1).await.unwrap_err().code(), tonic::Code::Unavailable);
    for order in &late {
        assert_eq!(order.send(&second.client).await.unwrap().status(), pb::PaymentStatus::Authorized, "{}", order.key);
    }
    second.check_no_open_legs(&NAMES).await;
    first.kill().await;
    second.stop().await;
}

// Fails when a node that is shut out before it could find out what became of its batch calls that batch not done.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_before_a_takeover_is_unknown_to_the_old_node_and_done_to_the_new_one() {
    let database = TestDatabase::fresh().await;
    for name in NAMES {
        database.account(name, 1_000_00).await;
    }
    let options =
        Options { lease: Duration::from_secs(1), answer_timeout: Duration::from_millis(500), ..Options::default() };
    let (proxy, url) = (Proxy::start(&database.url).await, database.url.clone());
    let first = Florin::standby(database.clone(), &proxy.url, options.clone(), "first").await;
    first.serving().await;
    // the statement is prepared, so the next call is one round trip
    assert!(first.pay("warm", "a", "b", 1_00).await.is_ok());
    let second = Florin::standby(database, &url, options, "second").await;
    first.faults.hold("lane.before_commit");
    let order = Order::new("k", "a", "b", 5_00);
    let sent = spawn({
        let (order, client) = (order.clone(), first.client.clone());
        async move { order.send(&client).await }
    });
    until("the batch is about to be sent", || async { first.faults.hits("lane.before_commit") > 0 }).await;
    first.faults.hold("leadership.tick");
    proxy.answers(Flow::Swallow);
    proxy.hold_new();
    first.faults.release("lane.before_commit");
    second.serving().await;
    assert_eq!(second.database.effects().await.get("k"), Some(&1), "it was committed");
    proxy.pass_new();
    assert_eq!(reason(&sent.await.unwrap().unwrap_err()), "OUTCOME_UNKNOWN");
    assert_eq!(order.send(&second.client).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    second.check_no_open_legs(&NAMES).await;
    first.faults.release("leadership.tick");
    first.kill().await;
    second.stop().await;
}

// Fails when memory is believed after the lease, or when the lease's own session waits for ever for an answer that was
// swallowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_cut_off_by_the_network_tells_no_old_balances_and_steps_down_when_it_sees_again() {
    let database = TestDatabase::fresh().await;
    for name in NAMES {
        database.account(name, 1_000_00).await;
    }
    let options = Options {
        lease: Duration::from_secs(2),
        write_cutoff: Duration::from_secs(1),
        answer_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let (proxy, url) = (Proxy::start(&database.url).await, database.url.clone());
    let first = Florin::standby(database.clone(), &proxy.url, options.clone(), "first").await;
    first.serving().await;
    assert!(first.pay("before", "a", "b", 1_00).await.is_ok());
    let second = Florin::standby(database, &url, options, "second").await;
    proxy.stall();
    second.serving().await;
    let after = Order::new("after", "a", "b", 500_00).insist(std::slice::from_ref(&second.client)).await;
    assert_ne!(after.status(), pb::PaymentStatus::Declined);
    let ask = || {
        let mut client = first.client.clone();
        async move { client.get_account_balance(pb::GetAccountBalanceRequest { account_id: "a".into() }).await }
    };
    assert_eq!(ask().await.unwrap_err().code(), tonic::Code::Unavailable, "an old balance");
    assert_eq!(first.pay("lost", "a", "b", 1_00).await.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(first.health.overall(), Overall::NotServing);
    proxy.pass_new(); // the old connections stay dead
    until("it has stepped down", || async { first.tree.node.active().is_none() }).await;
    assert_eq!(reason(&first.pay("lost", "a", "b", 1_00).await.unwrap_err()), "OUTCOME_UNKNOWN");
    assert_eq!(second.pay("lost", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    second.check_no_open_legs(&NAMES).await;
    second.tree.stop().await;
    first.serving().await; // and it can take over again, once its pool has got rid of its dead connections
    let lost = Order::new("lost", "a", "b", 1_00).insist(std::slice::from_ref(&first.client)).await;
    assert_eq!(lost.status(), pb::PaymentStatus::Duplicate);
    first.stop().await;
}

// Fails when the fence is FOR SHARE, or the takeover does not end a backend that holds on.
#[tokio::test(flavor = "multi_thread")]
async fn a_saturated_journal_is_taken_over_within_five_seconds() {
    let (first, second) = two(Options { lease: Duration::from_secs(1), ..Options::default() }).await;
    let stop = Arc::new(AtomicBool::new(false));
    let payers: Vec<_> = (0..64)
        .map(|n| {
            let (client, stop) = (first.client.clone(), stop.clone());
            spawn(async move {
                let mut m = 0;
                while !stop.load(Ordering::Relaxed) {
                    m += 1;
                    // what it hears is not the point
                    let _ = Order::new(format!("k{n}-{m}"), NAMES[n % 4], NAMES[(n + 1) % 4], 1).send(&client).await;
                }
            })
        })
        .collect();
    until("payments flow", || async {
        first.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await > 500
    })
    .await;
    first.faults.hold("leadership.tick"); // it neither renews nor hears that it lost
    let before = Instant::now();
    second.serving().await;
    let took = before.elapsed();
    println!("takeover of a saturated journal: {took:?}");
    assert!(took < Duration::from_secs(1 + 5), "{took:?}");
    stop.store(true, Ordering::Relaxed);
    for payer in payers {
        payer.await.unwrap();
    }
    second.check_no_open_legs(&NAMES).await;
    first.faults.release("leadership.tick");
    first.kill().await;
    second.stop().await;
}

// Fails when the tree is taken down before the gateway has let its calls finish.
#[tokio::test(flavor = "multi_thread")]
async fn every_payment_acknowledged_before_a_stop_is_there_after_it() {
    let (first, second) = two(Options::default()).await;
    second.kill().await;
    let database = first.database.clone();
    let payers: Vec<_> = (0..32)
        .map(|n| {
            let client = first.client.clone();
            spawn(async move {
                let mut acknowledged = Vec::new();
                for m in 0.. {
                    let order = Order::new(format!("k{n}-{m}"), NAMES[n % 4], NAMES[(n + 1) % 4], 1);
                    match order.send(&client).await {
                        Ok(_) => acknowledged.push(order.key),
                        Err(_) => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    until("payments flow", || async {
        database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await > 500
    })
    .await;
    first.stop().await;
    let effects = database.effects().await;
    for payer in payers {
        for key in payer.await.unwrap() {
            assert_eq!(effects.get(&key), Some(&1), "{key} was acknowledged");
        }
    }
}
