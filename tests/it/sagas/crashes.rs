//! Whoever runs a saga dies between any two of its steps: the workflow's actor, the timers' actor, the node. Money
//! moves once.

use std::time::{Duration, Instant};

use chrono::Utc;
use florin::actors::saga::{Happened, append};
use florin::protocol::admission::InFlight;
use florin::saga::{Next, Status};

use super::{Patience, Rig};
use crate::harness::provider::How;
use crate::harness::{Florin, until};

/// Between any two lines at which something can be half done, with how often a payout that goes well passes it.
const POINTS: [(&str, u32); 6] = [
    ("sagas.step", 3),
    ("sagas.attempted", 1),
    ("sagas.answered", 1),
    ("sagas.written", 2),
    ("sagas.posting", 1),
    ("sagas.posted", 1),
];

// Fails when an attempt after a crash has a key of its own: the provider then does it twice. A step of the ledger with
// a new id each time does not move money twice either: its fact has its number, and a second one is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_dies_anywhere_goes_on_from_its_facts() {
    let rig = Rig::start().await;
    let mut runs = 0;
    for (point, passes) in POINTS {
        for skip in 0..passes {
            rig.florin.faults.panic_at(point, skip, 1);
            let out = rig.payout(10_00).await;
            rig.becomes(out, Status::Completed).await;
            rig.florin.faults.panic_at(point, 0, 1);
            let back = rig.topup(10_00).await;
            rig.becomes(back, Status::Completed).await;
            rig.check().await;
            runs += 1;
        }
    }
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((1_000_00 - runs * 10_00, 0), (runs * 10_00, 0)));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_while_it_undoes() {
    let rig = Rig::start().await;
    for (point, _) in POINTS {
        for skip in 0..2 {
            rig.simulator.plan("payout", [How::Refuses]);
            rig.florin.faults.panic_at(point, skip, 1);
            let id = rig.payout(10_00).await;
            rig.becomes(id, Status::Failed).await;
            rig.check().await;
        }
    }
    assert_eq!(rig.money("alice").await, (1_000_00, 0));
    rig.end().await;
}

/// The node dies while the saga is held at this line.
async fn dies_at(point: &'static str, passes: u64) {
    let rig = Rig::start().await;
    rig.florin.faults.hold(point);
    let (out, back) = (rig.payout(10_00).await, rig.topup(5_00).await);
    until(&format!("both are at {point}"), || async { rig.florin.faults.hits(point) >= passes }).await;
    let rig = rig.restarted().await;
    rig.becomes(out, Status::Completed).await;
    rig.becomes(back, Status::Completed).await;
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((990_00, 0), (5_00, 0)), "{point}");
    rig.end().await;
}

// Fails when an attempt after a crash has a key of its own, and when a saga at which something is being done has no
// time at which it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_anywhere_leaves_a_saga_that_goes_on() {
    for (point, _) in POINTS {
        dies_at(point, 2).await;
    }
    dies_at("sagas.look", 1).await;
}

// Fails when a call that is under way when the node dies is made again without asking.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_the_provider_works_asks_before_it_calls_again() {
    let rig = Rig::with(Patience { answer: Duration::from_secs(30), ..Patience::default() }).await;
    rig.simulator.plan("payout", [How::Holds]);
    let id = rig.payout(10_00).await;
    let key = format!("{}.send", id.0);
    until("the provider has it", || async { rig.simulator.entry(&key).is_some() }).await;
    let rig = rig.restarted().await;
    rig.becomes(id, Status::Completed).await;
    assert_eq!(rig.story(id).await, "done hold, attempt 1 of send, attempt 2 of send, done send, done capture");
    let entry = rig.simulator.entry(&key).unwrap();
    assert_eq!((entry.effects, entry.submitted), (1, 1), "asked, not submitted again");
    rig.simulator.answer_all();
    rig.end().await;
}

// Fails when the old node's fact is taken though the new one has gone on: it is held with the provider's answer in its
// hands, and wakes when the other has finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_slept_through_a_takeover_finds_that_the_saga_has_gone_on() {
    let rig = Rig::start().await;
    rig.florin.faults.hold("sagas.answered");
    let id = rig.payout(10_00).await;
    until("the answer is there", || async { rig.florin.faults.hits("sagas.answered") > 0 }).await;
    let row = rig.facts(id).await;
    // Another node's workflow, as it would go on: it asks, hears that it is done, and writes it down.
    let (saga, now) = (rig.saga(id).await, Utc::now());
    let Next::Act { task, .. } = saga.next(&rig.policy()) else { panic!("{:?}", rig.story(id).await) };
    let attempted = florin::saga::Fact::Attempted { step: task.step, undo: task.undo, attempt: task.attempt };
    let n = i32::try_from(row.len()).unwrap() + 1;
    let body = serde_json::to_string(&attempted).unwrap();
    let fact = florin::protocol::record::FactRow { saga: id, n, body, status: 1, wake_at: Some(now), asked: None };
    let append = || async {
        let happened = Happened { tenant: "default".into(), fact: fact.clone(), at: now, by: None };
        append(&rig.florin.journal(), InFlight::new(1).enter().unwrap(), happened).await
    };
    assert!(append().await.unwrap());
    assert!(!append().await.unwrap(), "the second of two is told");
    rig.florin.faults.release("sagas.answered");
    rig.becomes(id, Status::Completed).await;
    assert_eq!(
        rig.story(id).await,
        "done hold, attempt 1 of send, attempt 2 of send, attempt 3 of send, done send, done capture"
    );
    rig.end().await;
}

// Fails when only who heard the provider's "pending" knows when to ask again.
#[tokio::test(flavor = "multi_thread")]
async fn a_timer_outlives_the_node() {
    let rig = Rig::start().await;
    rig.simulator.plan("payout", [How::Pends(usize::MAX)]);
    let id = rig.payout(10_00).await;
    rig.hears(id, "pending send").await;
    let rig = rig.restarted().await;
    let asked = rig.simulator.calls().len();
    until("it is asked about", || async { rig.simulator.calls().len() > asked }).await;
    rig.simulator.settle(&format!("{}.send", id.0));
    rig.becomes(id, Status::Completed).await;
    rig.end().await;
}

// Fails when a saga at which something is being done has no time at which it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_over_goes_on_with_the_sagas_of_the_other() {
    let rig = Rig::start().await;
    rig.florin.faults.hold("sagas.attempted");
    let ids = [rig.payout(10_00).await, rig.payout(20_00).await];
    until("both are under way", || async { rig.florin.faults.hits("sagas.attempted") >= 2 }).await;
    let (database, url) = (rig.florin.database.clone(), rig.florin.database.url.clone());
    let standby = Florin::standby(database, &url, rig.options.clone(), "other").await;
    let began = Instant::now();
    let Rig { florin, simulator, options } = rig;
    florin.kill().await;
    let rig = Rig { florin: standby, simulator, options };
    rig.florin.serving().await;
    for id in ids {
        rig.becomes(id, Status::Completed).await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(rig.money("alice").await, (970_00, 0));
    rig.end().await;
}
