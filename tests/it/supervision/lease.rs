//! The lease's own row held by somebody else, and a node that is fenced off before its leadership knows.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use florin::resilience::health::Overall;
use florin_wire::payment_v1 as pb;
use sqlx::Executor;

use crate::actors::faults::background;
use crate::harness::money::{Order, reason};
use crate::harness::{Florin, Options, TestDatabase, until};
use crate::supervision::takeover::{NAMES, two};

/// The writer's row: it changes when the journal opens a session, and when the lease is taken.
async fn writers(database: &TestDatabase) -> Vec<(i64, i64, Option<i32>)> {
    sqlx::query_as("SELECT epoch, session, pids[1] FROM writers ORDER BY writer")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

// Fails when a standby that waited in vain for the lease's own row ends the writer's backend as if they had been in its
// way (no `FOR UPDATE` where `LeaseSession::take` looks whether it may).
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_row_somebody_holds_costs_nobody_a_session_and_is_kept_again_afterwards() {
    let (first, second) = two(Options { lease: Duration::from_secs(1), ..Options::default() }).await;
    let database = first.database.clone();
    assert!(first.pay("before", "a", "b", 1_00).await.is_ok());
    let before = writers(&database).await;
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM leadership FOR UPDATE").execute(&mut *holder).await.unwrap();
    second.faults.panic_at("leadership.tick", u32::MAX, 0); // only counts
    let ended = "SELECT count(*) FROM leadership WHERE expires_at < clock_timestamp()";
    until("the lease has run out", || async { database.count(ended).await == 1 }).await;
    let tries = second.faults.hits("leadership.tick");
    let mut paid = 0;
    while second.faults.hits("leadership.tick") < tries + 3 {
        // its epoch holds, whatever the lease does
        let answer = first.pay(&format!("k{paid}"), "a", "b", 1).await.unwrap();
        assert_eq!(answer.status(), pb::PaymentStatus::Authorized);
        paid += 1;
        assert!(paid < 20_000, "the standby does not try");
    }
    assert_eq!(writers(&database).await, before, "somebody was ended, or shut out");
    assert!(second.tree.node.active().is_none());
    holder.rollback().await.unwrap();

    until("exactly one serves", || async {
        (first.health.overall() == Overall::NotServing) != (second.health.overall() == Overall::NotServing)
    })
    .await;
    let clients = [first.client.clone(), second.client.clone()];
    assert_eq!(Order::new("before", "a", "b", 1_00).insist(&clients).await.status(), pb::PaymentStatus::Duplicate);
    assert_eq!(Order::new("after", "a", "b", 1_00).insist(&clients).await.status(), pb::PaymentStatus::Authorized);
    let effects = database.effects().await;
    assert_eq!(effects.len(), paid + 2);
    assert!(effects.values().all(|rows| *rows == 1));
    until("the other has nothing that writes", || async {
        first.tree.node.active().is_none() != second.tree.node.active().is_none()
    })
    .await;
    let (serving, other) = if first.tree.node.active().is_some() { (first, second) } else { (second, first) };
    serving.check_no_open_legs(&NAMES).await;
    other.kill().await;
    serving.stop().await;
}

// Fails when a standby does not end the backend that holds on (no `pg_terminate_backend` in `LeaseSession::take`). That
// two try at once must not look to either as if somebody held the lease's own row.
#[tokio::test(flavor = "multi_thread")]
async fn two_standbys_end_the_backend_that_a_dead_node_left_and_one_of_them_takes_over() {
    let options =
        Options { lease: Duration::from_secs(1), answer_timeout: Duration::from_secs(60), ..Options::default() };
    let (first, second) = two(options.clone()).await;
    let database = first.database.clone();
    let third = Florin::standby(database.clone(), &database.url, options, "third").await;
    assert!(first.pay("before", "a", "b", 1_00).await.is_ok());
    let mut holder = database.pool.begin().await.unwrap();
    // a batch has its writer's row when it looks there
    let rows = "LOCK TABLE journal_partitions IN ACCESS EXCLUSIVE MODE";
    sqlx::query(rows).execute(&mut *holder).await.unwrap();
    let order = Order::new("k", "a", "b", 1_00);
    let sent = background(&first, order.clone());
    let stalled =
        "SELECT count(*) FROM pg_stat_activity JOIN writers ON pid = ANY (pids) WHERE backend_xid IS NOT NULL";
    until("the batch stalls with the lane's row", || async { database.count(stalled).await == 1 }).await;
    let before = Instant::now();
    first.kill().await;
    drop(sent.await.unwrap()); // what it hears is not the point
    until("one of the two serves", || async {
        second.health.overall() != Overall::NotServing || third.health.overall() != Overall::NotServing
    })
    .await;
    println!("takeover by one of two: {:?}", before.elapsed());
    holder.rollback().await.unwrap();
    let clients = [second.client.clone(), third.client.clone()];
    assert_eq!(
        order.insist(&clients).await.status(),
        pb::PaymentStatus::Authorized,
        "the batch that was ended was not written"
    );
    let (serving, other) = if second.tree.node.active().is_some() { (second, third) } else { (third, second) };
    assert!(other.tree.node.active().is_none());
    serving.check_no_open_legs(&NAMES).await;
    other.kill().await;
    serving.stop().await;
}

// Fails when the root, told that a batch was fenced off, leaves it to leadership to say that the lease is lost: that
// may be asleep, or was restarted since and knows nothing of the epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_fenced_off_admits_nothing_more_whatever_its_leadership_knows() {
    for restarted in [false, true] {
        let florin =
            Florin::with(TestDatabase::fresh().await, Options { lease: Duration::from_secs(1), ..Options::default() })
                .await;
        florin.database.account("alice", 10_00).await;
        florin.database.account("bob", 0).await;
        assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
        if restarted {
            florin.faults.panic_at("leadership.tick", 0, 1);
        }
        florin.faults.hold("leadership.tick");
        until("leadership sleeps", || async { florin.faults.hits("leadership.tick") == if restarted { 2 } else { 1 } })
            .await;
        let active = florin.tree.node.active().expect("nothing has told the root anything");

        // Another process takes over.
        let takeover = "UPDATE leadership SET epoch = epoch + 1, holder = 'another', expires_at = clock_timestamp() + interval '1 hour'; \
             UPDATE writers SET epoch = epoch + 1, session = session + 1, pids = NULL";
        florin.database.pool.execute(takeover).await.unwrap();
        let fenced = florin.pay("k", "alice", "bob", 1_00).await.unwrap_err();
        assert_eq!((fenced.code(), reason(&fenced).as_str()), (tonic::Code::Unavailable, "OUTCOME_UNKNOWN"));
        until("the root has taken down what writes", || async { florin.tree.node.active().is_none() }).await;
        assert_eq!(florin.health.overall(), Overall::NotServing);
        let refused = florin.pay("k2", "alice", "bob", 1_00).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::Unavailable, "OUTCOME_UNKNOWN"));
        assert_eq!(florin.faults.hits("leadership.tick"), if restarted { 2 } else { 1 }, "leadership slept through it");
        assert!(!florin.database.effects().await.contains_key("k"));

        // The other lets go.
        florin.database.pool.execute("UPDATE leadership SET expires_at = '-infinity'").await.unwrap();
        florin.faults.release("leadership.tick");
        florin.serving().await;
        assert_eq!(florin.tree.node.active().unwrap().epoch, active.epoch + 2);
        for key in ["k", "k2"] {
            assert_eq!(
                florin.pay(key, "alice", "bob", 1_00).await.unwrap().status(),
                pb::PaymentStatus::Authorized,
                "restarted: {restarted}"
            );
        }
        florin.check_no_open_legs(&["alice", "bob"]).await;
        florin.stop().await;
    }
}
