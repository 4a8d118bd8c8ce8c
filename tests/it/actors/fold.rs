//! The fold: balances follow the journal, whoever dies in between, however far behind they are, and nothing is told
//! before.
//!
//! Each test names the mutation of the product that makes it fail, where one was seen to.

use std::time::{Duration, Instant};

use florin::protocol::slip::Outcome;
use florin_wire::florin_v1 as native;
use florin_wire::payment_v1 as pb;
use futures::StreamExt;
use futures::future::join_all;

use crate::actors::faults::background;
use crate::harness::cases::is_large;
use crate::harness::money::Order;
use crate::harness::{Florin, Options, TestDatabase, until};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// How far the fold is behind, in places.
async fn behind(florin: &Florin) -> i64 {
    florin.database.count("SELECT journal_tip() - seq FROM folded").await
}

// Fails when a takeover loads accounts from what is folded before the rest is (`Recent::recall` without `from`), and
// when `journal_tail` or the fold leaves out a row.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_between_a_batch_and_the_fold_leaves_balances_that_are_right() {
    let database = TestDatabase::fresh().await;
    for name in NAMES {
        database.account(name, 1_000_00).await;
    }
    let options = || Options { lease: Duration::from_millis(400), ..Options::default() };
    let mut model = [1_000_00; NAMES.len()];
    for round in 0..200_usize {
        let florin = Florin::with(database.clone(), options()).await;
        if round % 4 < 3 {
            florin.faults.hold("auditor.fold");
        }
        let paid = (0..3 + round % 5).map(|n| {
            let (from, to) = ((round + n) % NAMES.len(), (round + 2 * n + 1) % NAMES.len());
            let to = if from == to { (to + 1) % NAMES.len() } else { to };
            let cents = i64::try_from(1 + n).unwrap();
            model[from] -= cents;
            model[to] += cents;
            let florin = &florin;
            async move { florin.pay(&format!("k-{round}-{n}"), NAMES[from], NAMES[to], cents).await.unwrap().status() }
        });
        let paid = join_all(paid.collect::<Vec<_>>()).await;
        assert!(paid.iter().all(|status| *status == pb::PaymentStatus::Authorized), "round {round}: {paid:?}");
        for (n, name) in NAMES.iter().enumerate() {
            assert_eq!(florin.database.posted(name).await, model[n], "round {round}, {name}, by SQL");
            assert_eq!(florin.balance(name).await, model[n], "round {round}, {name}");
        }
        if round % 2 == 0 {
            let floor = Some(Some(-i128::try_from(round).unwrap()));
            assert!(
                matches!(florin.change("d", None, floor, None).await.await.unwrap(), Outcome::Done { .. }),
                "round {round}"
            );
            let floor: i64 = database
                .count(
                    "SELECT floor::bigint FROM balances_now WHERE account = (SELECT id FROM accounts WHERE name = 'd')",
                )
                .await;
            assert_eq!(floor, -i64::try_from(round).unwrap(), "round {round}");
        }
        florin.kill().await;
    }
    let florin = Florin::with(database.clone(), options()).await;
    florin.folded().await;
    assert_eq!(database.count("SELECT count(*) FROM quarantine").await, 0);
    assert_eq!(database.count("SELECT count(*) FROM balances_now n JOIN balances b ON b.account = n.account WHERE (b.debits, b.credits, b.last_seq) <> (n.debits, n.credits, n.last_seq)").await, 0);
    florin.stop().await;
}

// In large: fails when a fold that is behind rests as long as the one before took, which stood still for a minute. Else
// it measures; that all is forgotten at each fold it did not notice, and `recent.rs` has a test for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_fold_that_stood_still_catches_up_and_no_payment_waits_for_it() {
    let database = TestDatabase::fresh().await;
    let names: Vec<String> = (0..300).map(|n| format!("p{n}")).collect();
    for name in &names {
        database.account(name, 1_000_00).await;
    }
    // so that accounts are loaded again and again meanwhile
    let options = Options { active_accounts_max: 40, ..Options::default() };
    let florin = Florin::with(database, options).await;
    florin.folded().await;
    florin.faults.hold("auditor.fold");
    let (mut paid, mut slowest) = (0, Duration::ZERO);
    let mut pay = async |florin: &Florin, rounds: usize| {
        for round in 0..rounds {
            let calls = names.chunks(2).enumerate().map(|(n, pair)| async move {
                let (from, to) = if round % 3 == 0 { (&pair[1], &pair[0]) } else { (&pair[0], &pair[1]) };
                let began = Instant::now();
                let answer = Order::new(format!("k-{paid}-{round}-{n}"), from, to, 1 + i64::try_from(n % 7).unwrap())
                    .insist(std::slice::from_ref(&florin.client))
                    .await;
                assert_eq!(answer.status(), pb::PaymentStatus::Authorized);
                began.elapsed()
            });
            let took = futures::stream::iter(calls).buffer_unordered(16).collect::<Vec<_>>().await;
            slowest = slowest.max(took.into_iter().max().unwrap_or_default());
        }
        paid += rounds;
        std::mem::take(&mut slowest)
    };
    let began = Instant::now();
    let mut still = pay(&florin, 20).await;
    while is_large() && began.elapsed() < Duration::from_secs(60) {
        still = still.max(pay(&florin, 20).await);
    }
    assert!(behind(&florin).await > 0 && florin.journal().recent() >= 300, "{} remembered", florin.journal().recent());
    florin.faults.release("auditor.fold");
    let (began, first) = (Instant::now(), behind(&florin).await >> 20);
    let mut catching_up = pay(&florin, 10).await;
    while behind(&florin).await >> 20 > 100 {
        catching_up = catching_up.max(pay(&florin, 1).await);
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{} of {first} batches are not folded yet",
            behind(&florin).await >> 20
        );
    }
    println!(
        "slowest payment: {still:?} while the fold stood still, {catching_up:?} in the {:?} in which it caught up {first} batches",
        began.elapsed()
    );
    assert!(catching_up < Duration::from_secs(2), "{catching_up:?}");
    florin.folded().await;
    assert_eq!(florin.database.count("SELECT count(*) FROM quarantine").await, 0);
    florin.stop().await;
}

// Fails when the feed goes up to the journal's tip.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_folded_is_told_to_nobody() {
    let florin = Florin::start().await;
    for name in NAMES {
        florin.database.account(name, 10_00).await;
    }
    let request = native::WatchEventsRequest { after_event_id: "0".into(), ..Default::default() };
    let mut events = florin.native.clone().watch_events(request).await.unwrap().into_inner();
    florin.pay("told", "a", "b", 1).await.unwrap();
    let first =
        tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("it is told").unwrap().unwrap();
    florin.folded().await;
    florin.faults.hold("auditor.fold");
    until("the auditor is held", async || florin.faults.hits("auditor.fold") > 0).await;
    let sent = background(&florin, Order::new("held back", "a", "b", 1));
    assert_eq!(
        sent.await.unwrap().unwrap().status(),
        pb::PaymentStatus::Authorized,
        "a payment does not wait for the fold"
    );
    let early = tokio::time::timeout(Duration::from_millis(700), events.next()).await;
    assert!(early.is_err(), "told before it was folded: {early:?}, after {first:?}");
    florin.faults.release("auditor.fold");
    tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("then it is told").unwrap().unwrap();
    drop(events);
    florin.stop().await;
}

// Meant to fail when an auditor that died is not followed by another; not tried.
#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_that_dies_is_followed_by_one_that_goes_on() {
    let florin = Florin::start().await;
    for name in NAMES {
        florin.database.account(name, 10_00).await;
    }
    for n in 0..10 {
        florin.faults.panic_at("auditor.folded", 0, 1); // the fold is committed, and nobody was told
        assert_eq!(florin.pay(&format!("k{n}"), "a", "b", 1).await.unwrap().status(), pb::PaymentStatus::Authorized);
        florin.folded().await;
        assert_eq!(florin.balance("a").await, 10_00 - n - 1);
    }
    florin.stop().await;
}
