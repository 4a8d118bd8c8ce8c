//! What Florin repeats by itself goes by an id that comes from its source and step: that id is taken for ever, also
//! when the journal has moved on.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use florin::money::Amount;
use florin::protocol::record::{Api, Body, Kind, Posting, Record, RequestHash, TransactionId};
use florin::protocol::slip::{Outcome, Slip};
use florin_wire::payment_v1 as pb;
use tokio::sync::oneshot;

use crate::actors::faults::background;
use crate::harness::money::Order;
use crate::harness::{Florin, Options, until};

/// Sends a posting under an id of its source's, and no other key, through the accounts.
async fn send(florin: &Florin, id: TransactionId, from: &str, to: &str, cents: i64) -> oneshot::Receiver<Outcome> {
    let (payer, payee) = (florin.loaded(from).await, florin.loaded(to).await);
    let posting = Posting { debit: payer.identity.id, credit: payee.identity.id, amount: Amount::from(cents) };
    let request = RequestHash::of(&[b"step", from.as_bytes(), to.as_bytes(), &cents.to_le_bytes()]);
    let cutoff = Instant::now() + Duration::from_secs(10);
    let body = Body::Postings([posting].into_iter().collect());
    let record = Record { body, ..Record::new(id, "default".into(), Api::FlorinV1, Kind::TRANSFER, request, cutoff) };
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

// Fails when a record whose id is taken is refused without a look at what the id did, when the look does not compare
// what was asked, when the group is not split, when the answer names the time of the repeat, or when ids are taken in
// their own partition alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_its_own_id_is_done_once_and_spares_its_neighbours_though_the_journal_has_moved_on() {
    let florin = Florin::start().await;
    for (name, balance) in [("alice", 100_00), ("bob", 0), ("carol", 100_00)] {
        florin.database.account(name, balance).await;
    }
    let source = TransactionId::draw();
    let (same, other) = (TransactionId::derived(source, "one step"), TransactionId::derived(source, "another"));
    let first = done(send(&florin, same, "alice", "bob", 10_00).await).await;
    assert_eq!(first.0, same);
    assert_eq!(done(send(&florin, other, "alice", "bob", 20_00).await).await.0, other);

    // In the same partition.
    assert_eq!(done(send(&florin, same, "alice", "bob", 10_00).await).await, first);
    assert!(matches!(send(&florin, other, "alice", "bob", 30_00).await.await.unwrap(), Outcome::KeyReused));

    // In the next one: in one batch the repeat, another request under a taken id, and neighbours of the same payees.
    let database = florin.database.clone();
    florin.stop().await;
    database.leave_partition().await;
    let florin = Florin::with(database, Options::default()).await;
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
    assert!(matches!(changed.await.unwrap(), Outcome::KeyReused), "another request under a taken id");
    assert_eq!(
        (florin.database.posted("alice").await, florin.database.posted("bob").await),
        (70_00, 30_00 + 20_00 + 1)
    );
    let taken = format!("SELECT count(*) FROM postings WHERE transaction IN ('{}', '{}')", same.0, other.0);
    assert_eq!(florin.database.count(&taken).await, 2);
    florin.check_no_open_legs(&["alice", "bob", "carol"]).await;
    florin.stop().await;
}
