//! How workflows begin, and how they go when nothing goes wrong.

use std::time::Duration;

use florin::protocol::record::{DeclineCode, Maker};
use florin::saga::{Status, Workflow};
use florin::teller::failure::Failure;
use florin::teller::ledger::{Answer, SagaOrder};

use super::{COUNTER, Patience, Rig, order};
use crate::harness::provider::How;
use crate::harness::{Florin, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_and_a_card_top_up_move_money_once_in_both_books() {
    let rig = Rig::start().await;
    let (out, back) = (rig.payout(100_00).await, rig.topup(30_00).await);
    let saga = rig.becomes(out, Status::Completed).await;
    assert_eq!(rig.story(out).await, "done hold, attempt 1 of send, done send, done capture");
    rig.becomes(back, Status::Completed).await;
    assert_eq!(rig.story(back).await, "attempt 1 of charge, done charge, done credit");
    assert_eq!(saga.steps().nth(1).unwrap().reference, Some(format!("ref-{}.send", out.0).as_str()));
    assert_eq!(
        (rig.money("alice").await, rig.money("bob").await, rig.money(COUNTER).await),
        ((900_00, 0), (30_00, 0), (70_00, 0))
    );
    let sent = rig.simulator.entry(&format!("{}.send", out.0)).unwrap().body;
    assert_eq!(
        (sent["amount"].as_str(), sent["instrument"].as_str(), sent["reference"].as_str()),
        (Some("100.00"), Some("ba_1"), Some("rent"))
    );
    assert!(rig.simulator.calls().iter().all(|(_, _, correlation)| correlation.as_deref() == Some("corr-7")));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_with_too_little_money_is_refused_at_once_and_leaves_no_saga() {
    let rig = Rig::start().await;
    let first = rig.payout(900_00).await;
    for _ in 0..2 {
        match rig.begin(SagaOrder { key: Some("k".into()), ..order(Workflow::Payout, "alice", 100_01) }).await {
            Ok(Answer::Declined { code: DeclineCode::InsufficientFunds, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    let nobody = rig.begin(order(Workflow::CardTopup, "nobody", 1)).await;
    assert!(matches!(nobody, Ok(Answer::Declined { code: DeclineCode::AccountNotFound, .. })), "{nobody:?}");
    rig.becomes(first, Status::Completed).await;
    assert_eq!(rig.florin.database.count("SELECT count(*) FROM sagas").await, 1);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_a_hundred_times_is_one_saga() {
    let rig = Rig::start().await;
    let keyed = || SagaOrder { key: Some("k".into()), ..order(Workflow::Payout, "alice", 10_00) };
    let answers = futures::future::join_all((0..100).map(|_| rig.begin(keyed()))).await;
    let ids: std::collections::HashSet<_> = answers
        .into_iter()
        .map(|answer| match answer.unwrap() {
            Answer::Completed { id, .. } => id,
            declined => panic!("{declined:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1);
    rig.becomes(*ids.iter().next().unwrap(), Status::Completed).await;
    let other = rig.begin(SagaOrder { amount: florin::money::Amount::from(11_00), ..keyed() }).await;
    assert_eq!(other.unwrap_err(), Failure::KeyReused);
    assert_eq!(rig.money("alice").await, (990_00, 0));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_none_is_started() {
    let florin = Florin::start().await;
    florin.database.account("alice", 1).await;
    let started = florin
        .ledger
        .start_saga(
            &"default".into(),
            None,
            Maker::default(),
            order(Workflow::Payout, "alice", 1),
            florin.ledger.enter().unwrap(),
        )
        .await;
    assert!(matches!(&started, Err(Failure::Unconfigured(why)) if why.contains("PROVIDER_URL")), "{started:?}");
    florin.stop().await;
}

// Fails when the bound on workflows is left out: then all 300 are at the provider.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_payouts_at_once_are_bounded_and_all_are_paid() {
    let rig = Rig::with(Patience { answer: Duration::from_secs(30), ..Patience::default() }).await;
    let most = florin::actors::saga::RUNNING_MAX;
    rig.simulator.plan("payout", vec![How::Holds; 300]);
    let ids: Vec<_> = futures::future::join_all((0..300).map(|_| rig.payout(1_00))).await;
    until("as many are at the provider as may be", || async { rig.simulator.calls().len() == most }).await;
    rig.simulator.answer_all();
    for id in ids {
        rig.becomes(id, Status::Completed).await;
    }
    assert_eq!((rig.simulator.calls().len(), rig.money("alice").await), (300, (700_00, 0)));
    rig.end().await;
}

/// What is held for a payout is nobody else's to take or let go. Fails when holds of sagas can be found by their id.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_payout_holds_cannot_be_let_go_by_others() {
    let rig = Rig::start().await;
    rig.simulator.plan("payout", [How::Holds]);
    let id = rig.payout(10_00).await;
    rig.hears(id, "attempt 1 of send").await;
    let hold = florin::store::holds::get(&rig.florin.database.pool, "default", id).await.unwrap();
    assert!(hold.is_none(), "{hold:?}");
    rig.simulator.answer_all();
    rig.becomes(id, Status::Completed).await;
    rig.end().await;
}
