//! Actors that panic, lanes that stand still, records that the database refuses: every call is answered, nothing
//! doubles, no leg stays.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use florin::actors::node::Active;
use florin::ledger::Guards;
use florin::protocol::account::{AccountMessage, Posted};
use florin::protocol::slip::Outcome;
use florin_wire::payment_v1 as pb;

use crate::harness::money::{Answered, Order, reason, spawn};
use crate::harness::{Florin, Options, TestDatabase, tally, until};

const NAMES: [&str; 6] = ["a0", "a1", "a2", "a3", "a4", "a5"];

/// 200 payments over six accounts, most of which ask for more than there may be.
fn load() -> Vec<Order> {
    let order = |n: usize| {
        let (from, step) = (n % 6, 1 + n / 6 % 5);
        Order::new(format!("k{n}"), NAMES[from], NAMES[(from + step) % 6], 1_00 + i64::try_from(n * 37 % 800).unwrap())
    };
    (0..200).map(order).collect()
}

/// Wakes, asks to leave and changes every loaded account, for as long as the load runs: so that every message of every
/// actor occurs.
async fn nudge(florin: &Florin) {
    for round in 0..40 {
        if let Some(Active { registry, .. }) = florin.tree.node.active() {
            for name in NAMES {
                if round % 8 == 0 {
                    // so that somebody is there
                    let _ = tokio::time::timeout(Duration::from_millis(200), registry.resolve("default", name)).await;
                }
                if let Some(account) = registry.get("default", name) {
                    if round % 8 == 0 {
                        drop(florin.change_loaded(account.clone(), None, Some(Some(0)), None)); // before it leaves
                    }
                    let _ = account.actor.cast(AccountMessage::Wake); // it may have ended: that is the point
                    let _ = account.actor.cast(AccountMessage::Passivate);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Panics `times` times at the point, after `skip` passes, under load.
async fn survives(point: &'static str, skip: u32, times: u32) {
    let options = Options { active_accounts_max: 4, lease: Duration::from_secs(1), ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    for name in NAMES {
        florin.database.account(name, 30_00).await;
    }
    if point == "lane.recover" {
        florin.faults.panic_at("lane.taken", 3, times);
    }
    florin.faults.panic_at(point, skip, times);
    let orders = load();
    let (answers, ()) = tokio::join!(florin.send_all(&orders), nudge(&florin));
    println!("{point}: {:?}, passed {} times", tally(&answers), florin.faults.hits(point));
    until(&format!("{point} has panicked"), || async {
        nudge(&florin).await;
        florin.faults.hits(point) > u64::from(skip)
    })
    .await;
    florin.check_after_faults(&orders, &answers, &NAMES).await;
    florin.stop().await;
}

// Fails when a slip's drop guard does not release its legs, when `absorb` forgets a released leg, or when a failed
// account is loaded without the barrier.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_panic_at_any_message_leave_nothing_behind() {
    for (point, skip) in [
        ("account.slip", 20),
        ("account.approved", 20),
        ("account.absorb", 20),
        ("account.wake", 5),
        ("account.read", 5),
    ] {
        survives(point, skip, 5).await;
    }
}

// Fails when a change that dies with its actor keeps its place in the bound.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_panic_while_they_change_or_leave_leave_nothing_behind() {
    for (point, skip) in [("account.change", 2), ("account.passivate", 3)] {
        survives(point, skip, 5).await;
    }
}

// Fails when a new directory does not bury the accounts of the old one, or loads without the barrier.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_panics_at_any_message_leaves_nothing_behind() {
    for (point, skip) in
        [("directory.resolve", 6), ("directory.loaded", 2), ("directory.busy", 2), ("directory.sweep", 0)]
    {
        survives(point, skip, 3).await;
    }
}

// Fails when the batch in flight lives in the lane's actor, or when a restarted lane runs it again without looking its
// keys up.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_panics_at_any_step_leaves_nothing_behind() {
    for (point, skip) in [
        ("lane.before_take", 3),
        ("lane.taken", 2),
        ("lane.before_commit", 2),
        ("lane.after_commit", 2),
        ("lane.settled", 2),
        ("lane.recover", 0),
    ] {
        survives(point, skip, 4).await;
    }
}

// Fails when the tree is not built anew under the new epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_leadership_that_panics_comes_back_under_a_new_epoch() {
    survives("leadership.tick", 0, 2).await;
}

/// Sends in the background.
pub fn background(florin: &Florin, order: Order) -> tokio::task::JoinHandle<Answered> {
    let client = florin.client.clone();
    spawn(async move { order.send(&client).await })
}

/// Waits until so many slips name the account.
pub async fn named_by(florin: &Florin, account: &str, slips: usize) {
    let account = florin.loaded(account).await;
    until("the slips have come", || async {
        account.cell.in_flight().load(std::sync::atomic::Ordering::Relaxed) == slips
    })
    .await;
}

// Fails when an account decides on a repeat whose first is in a lane (no `has_key`) or refuses without reading the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_payment_in_a_lane_hears_the_first_outcome_though_no_money_is_left() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k", "alice", "bob", 10_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let repeats: Vec<_> = (0..5).map(|_| background(&florin, Order::new("k", "alice", "bob", 10_00))).collect();
    let other = background(&florin, Order::new("k", "alice", "bob", 9_99));
    named_by(&florin, "alice", 7).await;
    assert!(repeats.iter().all(|repeat| !repeat.is_finished()), "a repeat was answered before the first");
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    for repeat in repeats {
        assert_eq!(repeat.await.unwrap().unwrap().status(), pb::PaymentStatus::Duplicate);
    }
    assert_eq!(reason(&other.await.unwrap().unwrap_err()), "IDEMPOTENCY_KEY_REUSED");
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when the directory loads a failed account without the barrier: the new one then knows nothing of the debit in
// the lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_that_panics_while_its_leg_is_in_a_lane_never_pays_twice() {
    for point in ["account.slip", "directory.resolve"] {
        let florin = Florin::start().await;
        for (name, balance) in [("alice", 10_00), ("bob", 0), ("carol", 0)] {
            florin.database.account(name, balance).await;
        }
        florin.faults.hold("lane.before_commit");
        let first = background(&florin, Order::new("k1", "alice", "bob", 10_00));
        until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
        florin.faults.panic_at(point, 0, 1);
        let again: Vec<_> =
            (0..5).map(|n| background(&florin, Order::new(format!("again-{n}"), "alice", "carol", 10_00))).collect();
        let repeat = background(&florin, Order::new("k1", "alice", "bob", 10_00));
        until("it has panicked", || async { florin.faults.hits(point) > 0 }).await;
        florin.faults.release("lane.before_commit");
        assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized, "{point}");
        for again in again {
            let again = again.await.unwrap();
            match &again {
                Ok(answer) => assert_eq!(answer.status(), pb::PaymentStatus::Declined, "{point}: overdrawn"),
                Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{point}: {status:?}"),
            }
        }
        let repeat = repeat.await.unwrap();
        assert!(
            repeat.is_err() || repeat.is_ok_and(|answer| answer.status() == pb::PaymentStatus::Duplicate),
            "{point}"
        );
        assert_eq!(
            (florin.balance("alice").await, florin.balance("bob").await, florin.balance("carol").await),
            (0, 10_00, 0),
            "{point}"
        );
        florin.check_no_open_legs(&["alice", "bob", "carol"]).await;
        florin.stop().await;
    }
}

// Fails when a lane takes slips that an account approved before it failed (no `is_dead` in `take`, or no `bury`): the
// one that was loaded since knows nothing of that leg.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_an_account_that_failed_since_is_void() {
    // The table is locked for as long as the test's steps take, on a busy machine too.
    let patient = Duration::from_secs(60);
    let options =
        Options { answer_timeout: patient, read_timeout: patient, write_cutoff: patient, ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    for (name, balance) in [("alice", 10_00), ("bob", 0), ("carol", 0), ("dave", 0)] {
        florin.database.account(name, balance).await;
    }
    assert!(matches!(florin.change("bob", None, None, Some(Some(10_00))).await.await.unwrap(), Outcome::Done { .. }));
    for name in ["alice", "bob", "carol", "dave"] {
        florin.loaded(name).await;
    }
    let mut lock = florin.database.pool.begin().await.unwrap();
    // no refusal, and no commit
    sqlx::query("LOCK TABLE journal_1 IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    // Bob approves carol's, who has no money, which is being checked; so alice's, whom alice approved, waits at bob.
    let carols = background(&florin, Order::new("carol", "carol", "bob", 10_00));
    named_by(&florin, "carol", 1).await;
    let alices = background(&florin, Order::new("alice", "alice", "bob", 10_00));
    named_by(&florin, "bob", 2).await;
    let old = florin.loaded("alice").await;
    florin.faults.panic_at("account.slip", 0, 1);
    // ends alice, and is tried again on the next one
    let again = background(&florin, Order::new("again", "alice", "dave", 10_00));
    until("alice was loaded again", || async {
        old.cell.is_dead() && !std::sync::Arc::ptr_eq(&florin.loaded("alice").await, &old)
    })
    .await;
    let journal = florin.tree.node.active().unwrap().journal;
    until("the new alice has approved", || async { journal.depth() == 1 }).await;
    lock.rollback().await.unwrap();
    assert_eq!(carols.await.unwrap().unwrap().status(), pb::PaymentStatus::Declined);
    assert_eq!(again.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(
        alices.await.unwrap().unwrap().status(),
        pb::PaymentStatus::Declined,
        "tried again by itself, and refused"
    );
    florin.check_no_open_legs(&["alice", "bob", "carol", "dave"]).await;
    florin.stop().await;
}

// Fails when an account with an open leg ends on request and is loaded again without a barrier.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_asked_to_leave_while_their_legs_are_in_a_lane_stay() {
    let florin = Florin::start().await;
    for (name, balance) in [("alice", 10_00), ("bob", 5_00), ("carol", 0)] {
        florin.database.account(name, balance).await;
    }
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("k1", "alice", "bob", 10_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    for name in ["alice", "bob"] {
        florin.loaded(name).await.actor.cast(AccountMessage::Passivate).unwrap();
    }
    let again = background(&florin, Order::new("k2", "alice", "carol", 10_00));
    let credit = background(&florin, Order::new("k3", "bob", "carol", 15_00)); // counts on money that is not there yet
    named_by(&florin, "carol", 1).await;
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(again.await.unwrap().unwrap().status(), pb::PaymentStatus::Declined);
    let credit = credit.await.unwrap().unwrap().status() == pb::PaymentStatus::Authorized;
    assert_eq!(florin.database.posted("bob").await, if credit { 0 } else { 15_00 });
    florin.check_no_open_legs(&["alice", "bob", "carol"]).await;
    florin.stop().await;
}

// Fails when an error that is one record's own is taken for the batch's, or when its accounts are not loaded anew.
#[tokio::test(flavor = "multi_thread")]
async fn one_guilty_record_in_a_batch_spares_its_neighbours() {
    let florin = Florin::start().await;
    let names: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    for name in &names {
        florin.database.account(name, 10_00).await;
    }
    florin.database.account("bob", 0).await;
    florin.database.account("plug", 1_00).await;
    for name in &names {
        florin.loaded(name).await;
    }
    florin.faults.hold("lane.before_commit");
    let plug = background(&florin, Order::new("plug", "plug", "bob", 1_00));
    until("the lane is plugged", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let orders: Vec<_> = names.iter().map(|name| Order::new(format!("k-{name}"), name, "bob", 8_00)).collect();
    let sent: Vec<_> = orders.iter().map(|order| background(&florin, order.clone())).collect();
    let journal = florin.tree.node.active().unwrap().journal;
    until("all wait behind the plug", || async { journal.depth() == 41 }).await;
    let raise = "UPDATE balances SET floor = 500 WHERE account = (SELECT id FROM accounts WHERE name = 'p17')";
    sqlx::query(raise).execute(&florin.database.pool).await.unwrap(); // behind its actor's back
    let p17 = florin.loaded("p17").await;
    p17.cell.damage(&{
        let posted = p17.cell.posted();
        Posted { guards: Guards { floor: Some(5_00), ..posted.guards }, ..posted }
    });
    florin.faults.release("lane.before_commit");
    assert!(plug.await.unwrap().is_ok());
    for (name, sent) in names.iter().zip(sent) {
        let answer = sent.await.unwrap();
        if name == "p17" {
            assert_eq!(reason(&answer.unwrap_err()), "LEDGER_GUARD");
        } else {
            assert_eq!(answer.unwrap().status(), pb::PaymentStatus::Authorized, "{name}");
        }
    }
    assert_eq!(florin.database.posted("bob").await, 39 * 8_00 + 1_00);
    assert_eq!(
        tally(&[florin.pay("k-p17", "p17", "bob", 8_00).await])["INSUFFICIENT_FUNDS"],
        1,
        "it was loaded anew, with its new floor"
    );
    assert_eq!(florin.pay("less", "p17", "bob", 5_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    florin.stop().await;
}

// Fails when U+0000 reaches the database as an error that is taken for transient.
#[tokio::test(flavor = "multi_thread")]
async fn zero_bytes_and_amounts_at_their_limits_do_not_stop_the_lane() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    let base = crate::harness::payment("k", "alice", "bob", 1, "USD");
    let with = |change: fn(&mut pb::AuthorizePaymentRequest)| {
        let mut request = base.clone();
        change(&mut request);
        request
    };
    let odd = [
        with(|r| r.idempotency_key = "a\0b".into()),
        with(|r| r.payer_account_id = "a\0b".into()),
        with(|r| r.payee_account_id = "a\0b".into()),
        with(|r| r.currency = "U\0D".into()),
        with(|r| r.amount_cents = i64::MAX),
        with(|r| r.amount_cents = i64::MIN),
    ];
    let odd = odd.into_iter().map(|request| {
        let mut client = florin.client.clone();
        async move { client.authorize_payment(request).await.map(tonic::Response::into_inner) }
    });
    let good: Vec<_> = (0..10).map(|n| Order::new(format!("good-{n}"), "alice", "bob", 1)).collect();
    let (odd, good) = tokio::join!(futures::future::join_all(odd), florin.send_all(&good));
    assert_eq!(tally(&good)["AUTHORIZED"], 10);
    for answer in odd {
        assert!(
            answer.as_ref().map_or_else(
                |e| e.code() == tonic::Code::InvalidArgument,
                |a| a.status() == pb::PaymentStatus::Declined
            ),
            "{answer:?}"
        );
    }
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}
