//! What waits for a load, for money or for an account that is being changed is told in time, and past its cut-off takes
//! nothing.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use florin::ledger::Status as AccountStatus;
use florin::protocol::slip::Outcome;
use florin_wire::florin_v1 as native;
use florin_wire::payment_v1 as pb;
use tokio::task::JoinHandle;

use crate::actors::faults::{background, named_by};
use crate::harness::money::{Answered, Order, reason, spawn};
use crate::harness::{Florin, Options, TestDatabase, payment, tally, until};

/// How long the impatient wait.
const PATIENCE: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const MORE: Duration = Duration::from_secs(2);

/// Sends in the background, with a deadline of the caller's; the answer, and how long it took.
fn impatient(florin: &Florin, order: &Order) -> JoinHandle<(Answered, Duration)> {
    let mut request = tonic::Request::new(payment(&order.key, &order.from, &order.to, order.cents, "USD"));
    request.set_timeout(PATIENCE);
    let mut client = florin.client.clone();
    spawn(async move {
        let began = Instant::now();
        let answer = client.authorize_payment(request).await.map(tonic::Response::into_inner);
        (answer, began.elapsed())
    })
}

/// It heard that its time was up, in time.
async fn assert_told_in_time(waiting: JoinHandle<(Answered, Duration)>) {
    let (answer, took) = waiting.await.unwrap();
    let code = answer.unwrap_err().code();
    // the client's own clock may be first
    assert!(matches!(code, tonic::Code::DeadlineExceeded | tonic::Code::Cancelled), "{code:?}");
    assert!(took < PATIENCE + MORE, "{took:?}");
}

// Fails when who asks for an account while a load of it is under way waits for that load (`resolve` looking into
// `loading`): what it finds may be older than the account.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_opened_while_a_load_finds_none_is_there_for_who_comes_after() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.pay("warm", "alice", "bob", 1_00).await.unwrap(); // alice is found without asking the directory
    florin.faults.panic_at("directory.resolve", u32::MAX, 0); // only counts
    florin.faults.hold("directory.loading");
    let before = background(&florin, Order::new("before", "alice", "new", 1_00));
    until("the load has found nothing", || async { florin.faults.hits("directory.loading") == 1 }).await;
    florin.open("new", native::AccountKind::User).await;
    let after: Vec<_> =
        (0..3).map(|n| background(&florin, Order::new(format!("after-{n}"), "alice", "new", 1_00))).collect();
    until("all have asked for it", || async { florin.faults.hits("directory.resolve") == 4 }).await;
    assert!(!before.is_finished() && after.iter().all(|after| !after.is_finished()));
    florin.faults.release("directory.loading");
    assert_eq!(tally(&[before.await.unwrap()])["ACCOUNT_NOT_FOUND"], 1, "it came when there was none");
    for after in after {
        assert_eq!(
            after.await.unwrap().unwrap().status(),
            pb::PaymentStatus::Authorized,
            "it was told of an account that had been opened"
        );
    }
    assert_eq!(florin.balance("new").await, 3_00);
    florin.stop().await;
}

// Fails when a load is waited for without looking at the cut-off (`resolve_all` without its timeout): the answer comes
// with the load.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_waits_for_a_load_past_its_cutoff_is_told_in_time_and_never_done() {
    let options = Options { write_cutoff: Duration::from_secs(1), ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.hold("directory.loading");
    let order = Order::new("late", "alice", "bob", 10_00);
    let (began, late) = (Instant::now(), impatient(&florin, &order));
    let patient = tokio::time::timeout(Duration::from_secs(10), order.send(&florin.client))
        .await
        .expect("an answer before the load's");
    assert_eq!(reason(&patient.unwrap_err()), "TOO_LATE");
    assert!(began.elapsed() < Duration::from_secs(1) + MORE, "{:?}", began.elapsed());
    assert_told_in_time(late).await;
    until("nothing is in flight", || async { florin.in_flight.now() == 0 }).await;
    florin.faults.release("directory.loading");
    florin.loaded("alice").await;
    assert!(florin.database.effects().await.is_empty());
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}

// Fails when `go_on` admits without looking at the cut-off: the late one takes the money, and who came after it waits
// for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_waits_for_money_past_its_cutoff_is_told_in_time_and_takes_none() {
    let florin = Florin::start().await;
    for (name, balance) in [("alice", 10_00), ("bob", 0), ("carol", 0)] {
        florin.database.account(name, balance).await;
        florin.loaded(name).await;
    }
    assert!(matches!(
        florin.change("bob", Some(AccountStatus::Suspended), None, None).await.await.unwrap(),
        Outcome::Done { .. }
    ));
    florin.faults.panic_at("account.approved", u32::MAX, 0); // only counts
    let approvals = || florin.faults.hits("account.approved");
    let mut lock = florin.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE journal_1 IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap(); // no refusal
    // Alice approves the first, which bob will refuse: until then all of her money is promised.
    let first = background(&florin, Order::new("first", "alice", "bob", 10_00));
    until("alice has approved the first", || async { approvals() == 1 }).await;
    let late = impatient(&florin, &Order::new("late", "alice", "carol", 10_00));
    named_by(&florin, "alice", 2).await;
    let patient = background(&florin, Order::new("patient", "alice", "carol", 10_00));
    named_by(&florin, "alice", 3).await;
    assert_told_in_time(late).await;
    assert!(!patient.is_finished());
    lock.rollback().await.unwrap();
    assert_eq!(tally(&[first.await.unwrap()])["ACCOUNT_INACTIVE"], 1);
    assert_eq!(patient.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(approvals(), 3, "the first at alice, the patient one at both: a late one was approved");
    assert!(!florin.database.effects().await.contains_key("late"));
    florin.check_no_open_legs(&["alice", "carol"]).await;
    florin.stop().await;
}

// Fails when `go_on` admits without looking at the cut-off.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_waits_for_a_change_past_its_cutoff_is_told_in_time_and_takes_nothing() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    florin.faults.panic_at("account.approved", u32::MAX, 0); // only counts
    florin.faults.hold("lane.before_commit");
    let first = background(&florin, Order::new("first", "alice", "bob", 1_00));
    until("the batch is about to be committed", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
    let changed = florin.change("alice", None, Some(Some(1_00)), None).await;
    let late = impatient(&florin, &Order::new("late", "alice", "bob", 1_00));
    named_by(&florin, "alice", 2).await;
    let patient = background(&florin, Order::new("patient", "alice", "bob", 1_00));
    named_by(&florin, "alice", 3).await;
    assert_told_in_time(late).await;
    assert!(!patient.is_finished());
    florin.faults.release("lane.before_commit");
    assert_eq!(first.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert!(matches!(changed.await.unwrap(), Outcome::Done { .. }));
    assert_eq!(patient.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(
        florin.faults.hits("account.approved"),
        5,
        "two payments at both accounts, and the change: a late one was approved"
    );
    assert!(!florin.database.effects().await.contains_key("late"));
    assert_eq!(florin.database.posted("alice").await, 8_00);
    florin.stop().await;
}
