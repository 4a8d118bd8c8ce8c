//! A provider that misbehaves in every way, at every step that is its own: money moves once, in both books.

use std::time::Duration;

use florin::saga::{Status, Step};

use super::{Patience, Rig, progress};
use crate::harness::provider::How;
use crate::harness::until;

/// Everything after which the operation is done, or can be done.
fn misdeeds() -> Vec<(&'static str, How)> {
    let unsigned = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    vec![
        ("late", How::Late(Duration::from_millis(50))),
        ("far too late", How::Late(Duration::from_secs(2))),
        ("request lost", How::LosesRequest),
        ("answer lost", How::LosesAnswer),
        ("answered twice", How::AnswersTwice),
        ("500 before", How::FailsBefore),
        ("500 after", How::FailsAfter),
        ("pending", How::Pends(2)),
        ("garbage", How::Answers(200, "<html>".into())),
        ("another key", How::Answers(200, r#"{"key":"x","status":"done"}"#.into())),
        ("not signed", How::Says(unsigned.into())),
    ]
}

// Fails when a step is tried again under another key.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_provider_does_at_a_step_money_moves_once() {
    let rig = Rig::start().await;
    for (name, how) in misdeeds() {
        rig.simulator.plan("payout", [how.clone()]);
        rig.simulator.plan("charge", [how]);
        let (out, back) = (rig.payout(10_00).await, rig.topup(4_00).await);
        rig.becomes(out, Status::Completed).await;
        rig.becomes(back, Status::Completed).await;
        println!("{name}: {}", rig.story(out).await);
        rig.check().await;
    }
    assert_eq!(rig.simulator.standing()["payout"], (11, 110_00));
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((890_00, 0), (44_00, 0)));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_misdeeds_in_a_row_and_a_question_that_is_not_answered_either() {
    let rig = Rig::start().await;
    for first in [How::LosesAnswer, How::FailsAfter, How::LosesRequest] {
        for second in [How::FailsBefore, How::LosesRequest, How::LosesAnswer] {
            rig.simulator.plan("payout", [first.clone()]);
            rig.simulator.plan("status", [second.clone(), How::Says("nonsense\r\n\r\n".into())]);
            let id = rig.payout(1_00).await;
            let saga = rig.becomes(id, Status::Completed).await;
            assert_eq!(progress(&saga, Step::Send), florin::saga::Progress::Done, "{first:?} {second:?}");
            rig.simulator.forget("payout");
            rig.simulator.forget("status");
            rig.check().await;
        }
    }
    rig.end().await;
}

// Fails when attempts at a provider that is down are counted as maybe done: then it is asked to recall what it never
// heard of.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_for_all_attempts_did_nothing_and_the_money_is_free_again() {
    let rig = Rig::start().await;
    rig.simulator.down().await;
    let id = rig.payout(10_00).await;
    let saga = rig.becomes(id, Status::Failed).await;
    let story = rig.story(id).await;
    assert!(story.ends_with("attempt 4 of send, failed send, done void") && !story.contains("recall"), "{story}");
    assert!(saga.reason().unwrap().contains("the connection failed"), "{:?}", saga.reason());
    rig.simulator.up().await;
    assert_eq!((rig.simulator.calls().len(), rig.money("alice").await), (0, (1_000_00, 0)));
    rig.end().await;
}

// Fails when a step without an answer to the end counts as not done: the hold is let go, and the provider has paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_is_never_answered_is_recalled_before_the_money_is_free() {
    let rig = Rig::start().await;
    rig.simulator.plan("payout", [How::LosesAnswer]);
    rig.simulator.plan("status", vec![How::FailsBefore; 3]);
    let id = rig.payout(10_00).await;
    rig.becomes(id, Status::Failed).await;
    let story = rig.story(id).await;
    assert!(
        story.ends_with("attempt 4 of send, unanswered send, attempt 1 of recall, done recall, done void"),
        "{story}"
    );
    assert_eq!((rig.simulator.standing().get("payout"), rig.money("alice").await), (None, (1_000_00, 0)));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_polled_until_it_is_done_refused_or_overdue() {
    let rig = Rig::with(Patience { pending: Duration::from_millis(300), ..Patience::default() }).await;
    rig.simulator.plan("payout", [How::Pends(3), How::PendsThenRefuses(1), How::Pends(usize::MAX)]);
    let done = rig.payout(10_00).await;
    rig.becomes(done, Status::Completed).await;
    let refused = rig.payout(20_00).await;
    rig.becomes(refused, Status::Failed).await;
    assert!(rig.story(refused).await.ends_with("pending send, failed send, done void"), "{}", rig.story(refused).await);
    let stuck = rig.payout(30_00).await;
    let saga = rig.becomes(stuck, Status::Stuck).await;
    assert_eq!((saga.at(), rig.money("alice").await), (Some((Step::Send, false)), (990_00, 30_00)));
    assert!(rig.story(stuck).await.ends_with("pending send, overdue send"), "{}", rig.story(stuck).await);
    // Polls leave no facts: a week of them is no longer a story than this one.
    assert_eq!(rig.facts(stuck).await.len(), 5);
    rig.operate(stuck, None).await.unwrap();
    rig.hears(stuck, "retried").await;
    let key = format!("{}.send", stuck.0);
    rig.simulator.settle(&key);
    rig.becomes(stuck, Status::Completed).await;
    until("alice has paid", || async { rig.money("alice").await == (960_00, 0) }).await;
    rig.end().await;
}
