//! PostgreSQL unreachable, slow or silent: what was called not done never happens, and a retry with the same key tells
//! the truth.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use florin::resilience::health::Overall;
use florin_wire::payment_v1 as pb;

use crate::harness::money::{Answered, Order, is_honest, reason, says_done, says_not_done, spawn};
use crate::harness::proxy::{Flow, Proxy};
use crate::harness::{Florin, Options, TestDatabase, tally, until};

/// A Florin behind a proxy, with these accounts.
pub async fn behind_proxy(options: Options, accounts: &[(&str, i64)]) -> (Florin, Proxy) {
    let database = TestDatabase::fresh().await;
    for (name, balance) in accounts {
        database.account(name, *balance).await;
    }
    let proxy = Proxy::start(&database.url).await;
    let florin = Florin::standby(database, &proxy.url, options, "node").await;
    florin.serving().await;
    (florin, proxy)
}

fn background(florin: &Florin, order: Order) -> tokio::task::JoinHandle<Answered> {
    let client = florin.client.clone();
    spawn(async move { order.send(&client).await })
}

/// A payment's answer, and how long it took.
async fn timed(florin: &Florin, order: &Order) -> (Answered, Duration) {
    let before = Instant::now();
    let answer = order.send(&florin.client).await;
    (answer, before.elapsed())
}

// Fails when a session that was given up may still commit (`raise_session` does not count it up) and `commit_batch`
// does not check the cut-off: either alone covers for the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_held_up_on_its_way_and_delivered_later_never_happens_after_not_done() {
    // The cut-off passes while the bytes are held: the lane must say what became of them, and may not be wrong.
    for (cutoff_ms, answer_ms) in [(1_000, 1_500), (2_500, 500), (10_000, 500)] {
        let options = Options {
            answer_timeout: Duration::from_millis(answer_ms),
            write_cutoff: Duration::from_millis(cutoff_ms),
            lease: Duration::from_secs(20),
            ..Options::default()
        };
        let names = ["a", "b", "c", "d"];
        let (florin, proxy) = behind_proxy(options, &names.map(|name| (name, 100_00))).await;
        for name in names {
            florin.loaded(name).await;
        }
        assert!(florin.pay("warm", "a", "b", 1).await.is_ok()); // the statement is prepared, so a batch is one message
        florin.faults.hold("lane.before_commit");
        let plug = background(&florin, Order::new("plug", "a", "b", 1));
        until("the lane is plugged", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
        let journal = florin.tree.node.active().unwrap().journal;
        let orders: Vec<_> =
            (0..60).map(|n| Order::new(format!("k{n}"), names[n % 4], names[(n + 1 + n / 4 % 3) % 4], 1_00)).collect();
        let sent: Vec<_> = orders.iter().map(|order| background(&florin, order.clone())).collect();
        until("all wait behind the plug", || async { journal.depth() == 61 }).await;
        florin.faults.release("lane.before_commit");
        florin.faults.hold("lane.before_commit");
        drop(plug.await.unwrap()); // what it hears is not the point
        until("the next batch is about to be sent", || async {
            florin.faults.hits("lane.before_commit") > 1 || journal.depth() == 0
        })
        .await;
        proxy.requests(Flow::Hold);
        florin.faults.release("lane.before_commit");
        let held = Instant::now();
        let mut later = Vec::new();
        let mut n = 0;
        while held.elapsed() < Duration::from_secs(3) {
            let order = Order::new(format!("later-{n}"), names[n % 4], names[(n + 1) % 4], 1_00);
            later.push((order.clone(), order.send(&florin.client).await));
            n += 1;
            tokio::time::sleep(Duration::from_millis(20)).await; // a load, not a wait
        }
        proxy.requests(Flow::Pass); // on the old connections, most of which Florin has given up
        let mut answered: Vec<(Order, Answered)> = Vec::new();
        for (order, sent) in orders.iter().zip(sent) {
            answered.push((order.clone(), sent.await.unwrap()));
        }
        let first = tally(&answered.iter().map(|(_, answer)| answer.clone()).collect::<Vec<_>>());
        answered.extend(later);
        until("nothing is in flight", || async { florin.in_flight.now() == 0 }).await;
        until("the lane is through", || async {
            florin.pay(&format!("probe-{}", Instant::now().elapsed().as_nanos()), "a", "b", 0).await.is_ok()
        })
        .await;
        println!("cut-off {cutoff_ms} ms: {first:?}, then {n} more");
        let effects = florin.database.effects().await;
        for (order, answer) in &answered {
            let rows = effects.get(&order.key).copied().unwrap_or(0);
            assert!(!says_not_done(answer) || rows == 0, "{} was called not done and has a row: {answer:?}", order.key);
            assert!(!says_done(answer) || rows == 1, "{} was called done and has {rows} rows", order.key);
            assert!(answer.as_ref().err().is_none_or(is_honest), "{answer:?}");
        }
        let (orders, answers): (Vec<_>, Vec<_>) = answered.into_iter().unzip();
        florin.check_after_faults(&orders, &answers, &names).await;
        florin.stop().await;
    }
}

// Fails when a recovering lane answers the batch in flight as not done without having looked its keys up.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_answered_as_done_with_one_row() {
    let options = Options { answer_timeout: Duration::from_millis(500), ..Options::default() };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0)]).await;
    // the statement is prepared, so the next call is one round trip
    assert!(florin.pay("warm", "alice", "bob", 1_00).await.is_ok());
    let mut answers = Vec::new();
    for (hits, order) in [(1, Order::new("k", "alice", "bob", 4_00)), (3, Order::new("zero", "alice", "bob", 0))] {
        florin.faults.hold("lane.before_commit");
        let sent = background(&florin, order);
        until("the batch is about to be sent", || async { florin.faults.hits("lane.before_commit") >= hits }).await;
        proxy.answers(Flow::Swallow);
        florin.faults.release("lane.before_commit");
        answers.push(sent.await.unwrap().unwrap());
        florin.serving().await;
        assert!(florin.pay(&format!("warm-{hits}"), "alice", "bob", 1).await.is_ok()); // on the new connection
    }
    assert_eq!(florin.faults.hits("lane.before_commit"), 4, "neither batch was sent twice");
    assert_eq!(answers[0].status(), pb::PaymentStatus::Authorized);
    assert_eq!(
        (answers[1].status(), answers[1].error.as_ref().unwrap().code()),
        (pb::PaymentStatus::Declined, pb::PaymentErrorCode::InvalidAmount)
    );
    assert_eq!(
        florin.database.count("SELECT count(*) FROM transactions WHERE status = 1 AND key IS NOT NULL").await,
        4
    );
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE status = 2").await, 1);
    assert_eq!(
        florin.database.count("SELECT count(*) FROM journal WHERE event IS NOT NULL").await,
        5,
        "one event each"
    );
    assert_eq!((florin.balance("alice").await, florin.balance("bob").await), (4_98, 5_02));
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when a lane does not remember that the database is away, when reads have no limit, or when memory is believed
// after the lease.
#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_calls_fail_at_once_and_come_back_by_themselves() {
    let options = Options {
        lease: Duration::from_secs(6),
        write_cutoff: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0), ("idle", 1_00)]).await;
    assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
    proxy.close().await;
    let (first, took) = timed(&florin, &Order::new("k0", "alice", "bob", 1_00)).await;
    assert!(first.is_err() && took < Duration::from_secs(3), "{first:?} after {took:?}");
    assert_eq!(florin.balance("alice").await, 9_00, "from memory, under the lease");
    for n in 1..20 {
        let (answer, took) = timed(&florin, &Order::new(format!("k{n}"), "alice", "bob", 1_00)).await;
        let refused = answer.unwrap_err();
        assert_eq!(reason(&refused), "OUTCOME_UNKNOWN", "of an earlier attempt at the other node, who knows");
        assert!(refused.message().starts_with("the database is away"), "{refused:?}");
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
    assert_eq!(florin.health.overall(), Overall::NotServing);
    let balance = |name: &str| {
        let (mut client, account_id) = (florin.client.clone(), name.to_owned());
        async move { client.get_account_balance(pb::GetAccountBalanceRequest { account_id }).await }
    };
    assert_eq!(balance("idle").await.unwrap_err().code(), tonic::Code::Unavailable, "it is not in memory");
    until("the lease has ended", || async {
        balance("alice").await.is_err_and(|error| error.code() == tonic::Code::Unavailable)
    })
    .await;
    proxy.open().await;
    florin.serving().await;
    let answer = Order::new("k0", "alice", "bob", 1_00).insist(std::slice::from_ref(&florin.client)).await;
    assert_ne!(answer.status(), pb::PaymentStatus::Declined);
    assert_eq!(florin.database.effects().await.values().sum::<i64>(), 2);
    assert_eq!(florin.balance("idle").await, 1_00);
    until("the lease is ours again", || async { florin.tree.node.is_lease_valid() }).await;
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when a statement of the lane, the lease or a read has no limit on this side, or when connections that went dead
// stay in the pool.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_is_survived_though_the_old_connections_stay_dead() {
    let options = Options {
        lease: Duration::from_secs(3),
        write_cutoff: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0), ("idle", 1_00)]).await;
    assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
    let reads: Vec<_> = (0..16)
        .map(|_| {
            let mut client = florin.client.clone();
            spawn(async move {
                client.get_account_balance(pb::GetAccountBalanceRequest { account_id: "idle".into() }).await
            })
        })
        .collect();
    for read in reads {
        read.await.unwrap().unwrap(); // the pool is full of connections
    }
    proxy.stall();
    let reads: Vec<_> = (0..32)
        .map(|_| {
            let mut client = florin.client.clone();
            spawn(async move {
                let before = Instant::now();
                let read = client.get_account_balance(pb::GetAccountBalanceRequest { account_id: "idle".into() }).await;
                (read, before.elapsed())
            })
        })
        .collect();
    let (answer, took) = timed(&florin, &Order::new("k0", "alice", "bob", 1_00)).await;
    assert!(answer.is_err() && took < Duration::from_secs(4), "{answer:?} after {took:?}");
    for read in reads {
        let (read, took) = tokio::time::timeout(Duration::from_secs(15), read)
            .await
            .expect("a read that the database does not answer ends")
            .unwrap();
        assert!(read.is_err_and(|error| is_honest(&error)) && took < Duration::from_secs(12), "{took:?}");
    }
    proxy.pass_new();
    let answer = Order::new("k0", "alice", "bob", 1_00).insist(std::slice::from_ref(&florin.client)).await;
    assert_ne!(answer.status(), pb::PaymentStatus::Declined);
    until("the lease is renewed again", || async { florin.tree.node.is_lease_valid() }).await;
    let read = || {
        let mut client = florin.client.clone();
        async move { client.get_account_balance(pb::GetAccountBalanceRequest { account_id: "idle".into() }).await }
    };
    until("the pool has got rid of its dead connections", || async {
        tokio::time::timeout(Duration::from_secs(1), read()).await.is_ok_and(|read| read.is_ok())
    })
    .await;
    assert_eq!(florin.database.effects().await.values().sum::<i64>(), 2);
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when health rests on the journal alone, which notices nothing as long as nobody pays.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_notices_that_postgresql_is_gone() {
    let options = Options { lease: Duration::from_secs(1), ..Options::default() };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00)]).await;
    proxy.close().await;
    until("health says so", || async { florin.health.overall() == Overall::NotServing }).await;
    proxy.open().await;
    florin.serving().await;
    florin.stop().await;
}

// Fails when connections that are cut at random make a lane lose or double a batch.
#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_again_and_again_under_load_lose_and_double_nothing() {
    let options = Options { answer_timeout: Duration::from_secs(1), ..Options::default() };
    let names = ["a", "b", "c", "d"];
    let (florin, proxy) = behind_proxy(options, &names.map(|name| (name, 100_00))).await;
    let orders: Vec<_> =
        (0..400).map(|n| Order::new(format!("k{n}"), names[n % 4], names[(n + 1 + n / 4 % 3) % 4], 50)).collect();
    let cutting = async {
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            proxy.cut();
        }
    };
    let paying = async {
        let mut answers = Vec::new();
        for chunk in orders.chunks(25) {
            answers.extend(florin.send_all(chunk).await);
        }
        answers
    };
    let (answers, ()) = tokio::join!(paying, cutting);
    println!("{:?}", tally(&answers));
    florin.check_after_faults(&orders, &answers, &names).await;
    florin.stop().await;
}

// Fails when what is absent after the fence is run again whatever its cut-off.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_cutoff_after_an_outage_is_released_and_never_run() {
    let options = Options {
        write_cutoff: Duration::from_secs(1),
        answer_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let (florin, proxy) = behind_proxy(options, &[("alice", 10_00), ("bob", 0)]).await;
    for name in ["alice", "bob"] {
        florin.loaded(name).await;
    }
    florin.faults.hold("lane.before_commit");
    let orders: Vec<_> = (0..10).map(|n| Order::new(format!("k{n}"), "alice", "bob", 1_00)).collect();
    let sent: Vec<_> = orders.iter().map(|order| background(&florin, order.clone())).collect();
    until("a batch is about to be sent", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    proxy.close().await;
    florin.faults.release("lane.before_commit");
    for sent in sent {
        let answer = sent.await.unwrap();
        assert!(answer.as_ref().is_err_and(is_honest), "{answer:?}");
    }
    proxy.open().await;
    florin.serving().await;
    until("nothing is in flight", || async { florin.in_flight.now() == 0 }).await;
    florin.tree.node.active().unwrap().journal.barrier().await;
    assert_eq!(
        florin.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await,
        0,
        "nobody waits any more, and it was run"
    );
    assert_eq!(florin.pay("k0", "alice", "bob", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}
