//! Changes of an account's status and limits while money moves.
//!
//! Each test names the mutation of the product that makes it fail.

use florin::ledger::Status as AccountStatus;
use florin::protocol::slip::Outcome;
use florin_wire::payment_v1 as pb;

use crate::actors::faults::{background, named_by};
use crate::harness::money::Order;
use crate::harness::{Florin, tally, until};

// Fails when a refusal for an account's status is given without reading the key, or when a suspension does not bind at
// once.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_hears_the_first_outcome_though_the_payee_was_suspended_meanwhile() {
    let florin = Florin::start().await;
    florin.database.account("alice", 20_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k", "alice", "bob", 10_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let suspended = florin.change("bob", Some(AccountStatus::Suspended), None, None).await;
    let repeat = background(&florin, Order::new("k", "alice", "bob", 10_00));
    let fresh = background(&florin, Order::new("k2", "alice", "bob", 1_00));
    named_by(&florin, "alice", 3).await;
    assert!(!repeat.is_finished() && !fresh.is_finished());
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(repeat.await.unwrap().unwrap().status(), pb::PaymentStatus::Duplicate);
    assert_eq!(tally(&[fresh.await.unwrap()])["ACCOUNT_INACTIVE"], 1);
    assert!(matches!(suspended.await.unwrap(), Outcome::Done { .. }));
    assert_eq!(florin.pay("k", "alice", "bob", 10_00).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    assert_eq!(tally(&[florin.pay("k3", "alice", "bob", 1_00).await])["ACCOUNT_INACTIVE"], 1);
    // Closed only at zero.
    let closed = florin.change("bob", Some(AccountStatus::Closed), None, None).await.await.unwrap();
    assert!(matches!(closed, Outcome::Refused { .. }), "closed with money");
    drop(closed); // it carries the place in the bound
    florin.stop().await;
}

// Fails when a change is judged before the legs that were open when it came have settled.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_not_closed_while_a_credit_is_in_a_lane() {
    let florin = Florin::start().await;
    florin.database.account("alice", 20_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k", "alice", "bob", 10_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let closed = florin.change("bob", Some(AccountStatus::Closed), None, None).await;
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert!(matches!(closed.await.unwrap(), Outcome::Refused { .. }), "closed with money");
    assert_eq!(
        florin.pay("k2", "bob", "alice", 10_00).await.unwrap().status(),
        pb::PaymentStatus::Authorized,
        "the change that failed binds no more"
    );
    let closed = florin.change("bob", Some(AccountStatus::Closed), None, None).await.await.unwrap();
    assert!(matches!(closed, Outcome::Done { .. }));
    florin.stop().await;
}

// Fails when a wider limit counts before it is written: the database's CHECK then refuses what the actor admitted.
#[tokio::test(flavor = "multi_thread")]
async fn a_wider_limit_counts_only_once_it_is_written() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k1", "alice", "bob", 5_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let wider = florin.change("alice", None, Some(Some(-100_00)), None).await;
    florin.faults.panic_at("account.slip", u32::MAX, 0); // only counts
    let second = background(&florin, Order::new("k2", "alice", "bob", 50_00));
    until("the second has come to alice", || async { florin.faults.hits("account.slip") > 0 }).await;
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert!(matches!(wider.await.unwrap(), Outcome::Done { .. }), "the change is written");
    assert_eq!(second.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized, "it waited for the wider limit");
    florin.stop().await;
}

// Fails when slips are admitted while a change waits for the open legs: on an account that is never idle it then waits
// for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_gets_its_turn_on_an_account_that_is_never_idle() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("lane.before_commit");
    let before = background(&florin, Order::new("before", "alice", "bob", 1_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let changed = florin.change("alice", None, Some(Some(5_00)), None).await;
    florin.faults.panic_at("account.slip", u32::MAX, 0); // only counts
    let after: Vec<_> =
        (0..5).map(|n| background(&florin, Order::new(format!("after-{n}"), "alice", "bob", 1_00))).collect();
    until("the others have come to alice", || async { florin.faults.hits("account.slip") == 5 }).await;
    assert_eq!(florin.tree.node.active().unwrap().journal.depth(), 1, "one that came after the change overtook it");
    florin.faults.release("lane.before_commit");
    assert_eq!(before.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert!(matches!(changed.await.unwrap(), Outcome::Done { .. }));
    let mut counts = Vec::new();
    for after in after {
        counts.push(after.await.unwrap());
    }
    assert_eq!((tally(&counts)["AUTHORIZED"], tally(&counts)["INSUFFICIENT_FUNDS"]), (4, 1), "by the new floor");
    assert_eq!(florin.database.posted("alice").await, 5_00);
    florin.stop().await;
}

// Fails when those who waited for a change are forgotten once it was refused, or could not be decided.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_a_change_go_on_whatever_becomes_of_it() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.loaded("bob").await;
    for round in 0..20 {
        // Refused, twice over: there is money.
        let closed = florin.change("alice", Some(AccountStatus::Closed), None, None).await;
        let again = florin.change("alice", Some(AccountStatus::Closed), None, None).await;
        let orders: Vec<_> = (0..10).map(|n| Order::new(format!("k{round}-{n}"), "alice", "bob", 1)).collect();
        assert_eq!(tally(&florin.send_all(&orders).await)["AUTHORIZED"], 10);
        assert!(matches!(closed.await.unwrap(), Outcome::Refused { .. }));
        assert!(matches!(again.await.unwrap(), Outcome::Refused { .. }));
    }
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}
