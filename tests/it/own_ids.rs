//! What Florin repeats by itself goes by an id that comes from its source and step: the id is the guard when the key is long forgotten.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use florin::money::Amount;
use florin::protocol::pb::payment_v1 as pb;
use florin::protocol::record::{Api, Body, KeyHash, Kind, Posting, Record, RequestHash, TransactionId, now_micros};
use florin::protocol::slip::{Abort, Outcome, Slip};
use sqlx::Executor;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::faults::background;
use crate::harness::money::Order;
use crate::harness::{Florin, until};

/// Sends a posting under an id of its source's, and no other key, through the accounts.
async fn send(florin: &Florin, id: TransactionId, from: &str, to: &str, cents: i64) -> oneshot::Receiver<Outcome> {
    let (payer, payee) = (florin.loaded(from).await, florin.loaded(to).await);
    let posting = Posting { debit: payer.identity.id, credit: payee.identity.id, amount: Amount::from(cents) };
    let record = Record {
        id,
        tenant: "default".into(),
        api: Api::FlorinV1,
        kind: Kind::TRANSFER,
        key: KeyHash::own(id),
        key_text: None,
        request: RequestHash::of(&[b"step", from.as_bytes(), to.as_bytes(), &cents.to_le_bytes()]),
        reference: None,
        description: None,
        metadata: None,
        correlation: None,
        created_at: now_micros(),
        cutoff: Instant::now() + Duration::from_secs(10),
        body: Body::Postings([posting].into_iter().collect()),
        rows: Vec::new(),
        with_balances: false,
        event: None,
    };
    let (reply, outcome) = oneshot::channel();
    let permit = florin.in_flight.enter().expect("room for a record");
    Slip::new(Box::new(record), &[&payer, &payee], usize::MAX, reply, permit).unwrap().enter();
    outcome
}

/// What it was answered: done under which id, accepted when.
async fn done(outcome: oneshot::Receiver<Outcome>) -> (TransactionId, DateTime<Utc>) {
    match outcome.await.unwrap() {
        Outcome::Done { id, created_at, .. } | Outcome::Replayed { id, created_at } => (id, created_at),
        Outcome::Aborted(why) => panic!("aborted: {why:?}"),
        _ => panic!("neither done nor aborted"),
    }
}

// Fails when a record whose id is taken is refused without a look at what the id did, when the look (by id or by key) does not compare
// what was asked, when the group is not split, or when the answer names the time of the repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_its_own_id_is_done_once_and_spares_its_neighbours_though_the_key_is_forgotten() {
    let florin = Florin::start().await;
    for (name, balance) in [("alice", 100_00), ("bob", 0), ("carol", 100_00)] {
        florin.database.account(name, balance).await;
    }
    let (same, other) = (TransactionId(Uuid::from_u128(1)), TransactionId(Uuid::from_u128(2)));
    let first = done(send(&florin, same, "alice", "bob", 10_00).await).await;
    assert_eq!(first.0, same);
    assert_eq!(done(send(&florin, other, "alice", "bob", 20_00).await).await.0, other);

    // The key is there.
    assert_eq!(done(send(&florin, same, "alice", "bob", 10_00).await).await, first);
    assert!(matches!(send(&florin, other, "alice", "bob", 30_00).await.await.unwrap(), Outcome::KeyReused));

    // The key is forgotten: in one batch the repeat, another request under a taken id, and neighbours of the same payees.
    florin.database.pool.execute("TRUNCATE keys_even, keys_odd").await.unwrap();
    florin.faults.hold("lane.before_commit");
    let plug = background(&florin, Order::new("plug", "carol", "bob", 1));
    until("the lane is plugged", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let orders: Vec<_> = (0..20).map(|n| Order::new(format!("k{n}"), "carol", "bob", 1_00)).collect();
    let neighbours: Vec<_> = orders.iter().map(|order| background(&florin, order.clone())).collect();
    let repeat = send(&florin, same, "alice", "bob", 10_00).await;
    let changed = send(&florin, other, "alice", "bob", 30_00).await;
    let journal = florin.tree.node.active().unwrap().journal;
    until("all wait behind the plug", || async { journal.depth() == 23 }).await;
    florin.faults.release("lane.before_commit");
    assert!(plug.await.unwrap().is_ok());
    for neighbour in neighbours {
        assert_eq!(neighbour.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    }
    assert_eq!(done(repeat).await, first, "it was done before");
    assert!(matches!(changed.await.unwrap(), Outcome::Aborted(Abort::Guard)), "another request under a taken id");
    assert_eq!((florin.database.posted("alice").await, florin.database.posted("bob").await), (70_00, 30_00 + 20_00 + 1));
    assert_eq!(florin.database.count("SELECT count(*) FROM postings WHERE transaction < '00000000-0000-0000-0000-00000000000a'").await, 2);
    florin.check_no_open_legs(&["alice", "bob", "carol"]).await;
    florin.stop().await;
}
