//! Steps that fail for good: what was done is undone in reverse, nobody loses a cent, and what cannot be undone is
//! stuck until an operator says how it stands.

use florin::protocol::record::TransactionId;
use florin::saga::{Fact, Resolution, Status, Step};
use florin::store::sagas::{self, Asked};
use florin_wire::florin_v1 as pb;
use uuid::Uuid;

use super::Rig;
use crate::gateway::native::set_status;
use crate::harness::provider::How;
use crate::harness::until;

impl Rig {
    pub async fn set(&self, account: &str, status: pb::AccountStatus) {
        self.florin.native.clone().update_account(set_status(account, status)).await.unwrap();
    }

    /// A payout that the provider has sent, while `alice` was suspended: the capture is refused.
    async fn sent_in_vain(&self) -> TransactionId {
        self.simulator.plan("payout", [How::Holds]);
        let id = self.payout(10_00).await;
        until("the provider has it", || async { self.simulator.entry(&format!("{}.send", id.0)).is_some() }).await;
        self.set("alice", pb::AccountStatus::Suspended).await;
        self.simulator.answer_all();
        id
    }

    /// A card that the provider has charged, while `bob` was suspended: the credit is refused.
    async fn charged_in_vain(&self) -> TransactionId {
        self.simulator.plan("charge", [How::Holds]);
        let id = self.topup(10_00).await;
        until("the provider has it", || async { self.simulator.entry(&format!("{}.charge", id.0)).is_some() }).await;
        self.set("bob", pb::AccountStatus::Suspended).await;
        self.simulator.answer_all();
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_leaves_nothing_behind() {
    let rig = Rig::start().await;
    rig.simulator.plan("payout", [How::Refuses]);
    rig.simulator.plan("charge", [How::Refuses]);
    let (out, back) = (rig.payout(10_00).await, rig.topup(10_00).await);
    let saga = rig.becomes(out, Status::Failed).await;
    rig.becomes(back, Status::Failed).await;
    assert_eq!(rig.story(out).await, "done hold, attempt 1 of send, failed send, done void");
    assert_eq!(rig.story(back).await, "attempt 1 of charge, failed charge");
    assert_eq!(saga.reason(), Some("account_closed: the account is closed"));
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((1_000_00, 0), (0, 0)));
    rig.end().await;
}

// Fails when the steps are undone in the order in which they were done: the hold is let go while the provider has the
// money.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_refuses_the_last_step_has_the_rest_undone_in_reverse() {
    let rig = Rig::start().await;
    let out = rig.sent_in_vain().await;
    rig.becomes(out, Status::Failed).await;
    assert_eq!(
        rig.story(out).await,
        "done hold, attempt 1 of send, done send, failed capture, attempt 1 of recall, done recall, done void"
    );
    let back = rig.charged_in_vain().await;
    rig.becomes(back, Status::Failed).await;
    assert_eq!(
        rig.story(back).await,
        "attempt 1 of charge, done charge, failed credit, attempt 1 of refund, done refund"
    );
    assert_eq!(rig.simulator.standing().keys().collect::<Vec<_>>(), ["recall", "refund"]);
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((1_000_00, 0), (0, 0)));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_provider_does_while_it_undoes_it_is_undone_once() {
    let rig = Rig::start().await;
    for how in
        [How::LosesRequest, How::LosesAnswer, How::AnswersTwice, How::FailsBefore, How::FailsAfter, How::Pends(2)]
    {
        rig.simulator.plan("recall", [how.clone()]);
        rig.simulator.plan("refund", [how]);
        let (out, back) = (rig.sent_in_vain().await, rig.charged_in_vain().await);
        rig.becomes(out, Status::Failed).await;
        rig.becomes(back, Status::Failed).await;
        rig.set("alice", pb::AccountStatus::Active).await;
        rig.set("bob", pb::AccountStatus::Active).await;
        rig.check().await;
    }
    assert_eq!((rig.money("alice").await, rig.money("bob").await), ((1_000_00, 0), (0, 0)));
    rig.end().await;
}

// Fails when an undoing that is refused counts as done, and when a retry uses the key that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_undoing_that_fails_is_stuck_listed_and_tried_again_by_an_operator() {
    let rig = Rig::start().await;
    rig.simulator.plan("recall", [How::Refuses, How::Refuses]);
    let id = rig.sent_in_vain().await;
    let saga = rig.becomes(id, Status::Stuck).await;
    assert_eq!(
        (saga.at(), rig.money("alice").await),
        (Some((Step::Send, true)), (1_000_00, 10_00)),
        "what is stuck stays held"
    );
    let stuck = sagas::stuck(&rig.florin.database.pool, Some("default"), 10).await.unwrap();
    assert_eq!(stuck.iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
    rig.operate(id, None).await.unwrap();
    until("it is refused again", || async { rig.simulator.entry(&format!("{}.recall.1", id.0)).is_some() }).await;
    rig.becomes(id, Status::Stuck).await;
    rig.operate(id, None).await.unwrap();
    rig.becomes(id, Status::Failed).await;
    assert!(rig.operate(id, None).await.unwrap_err().to_string().contains("cannot be retried: it is not stuck"));
    let kept: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT actor, action, reason, before ->> 'step' FROM operator_actions WHERE subject = $1 ORDER BY at",
    )
    .bind(id.0.to_string())
    .fetch_all(&rig.florin.database.pool)
    .await
    .unwrap();
    let action = ("key:ops".to_owned(), "saga.retry".to_owned(), "asked the bank".to_owned(), "recall".to_owned());
    assert_eq!(kept, [action.clone(), action]);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_says_how_a_stuck_step_stands_and_the_saga_goes_on_from_there() {
    let rig = Rig::start().await;
    rig.simulator.plan("recall", vec![How::Refuses; 2]);
    // The bank cannot take it back: it is sent, and so it is captured, once the account is active again.
    let kept = rig.sent_in_vain().await;
    rig.becomes(kept, Status::Stuck).await;
    rig.set("alice", pb::AccountStatus::Active).await;
    rig.operate(kept, Some(Resolution::Done)).await.unwrap();
    rig.becomes(kept, Status::Completed).await;
    assert_eq!(rig.money("alice").await, (990_00, 0));
    rig.check().await;
    // The bank took it back by hand: the hold is let go.
    let undone = rig.sent_in_vain().await;
    rig.becomes(undone, Status::Stuck).await;
    rig.simulator.undo_by_hand(&format!("{}.send", undone.0));
    rig.operate(undone, Some(Resolution::Undone)).await.unwrap();
    rig.becomes(undone, Status::Failed).await;
    assert!(
        rig.story(undone).await.ends_with("failed recall, resolved as undone, done void"),
        "{}",
        rig.story(undone).await
    );
    assert_eq!(rig.money("alice").await, (990_00, 0));
    rig.end().await;
}

// Fails when a workflow that has read what was asked writes it though it was taken back, and when what an operator says
// is no row of the journal with their name.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_took_back_is_never_done_and_what_they_said_is_in_the_journal() {
    let rig = Rig::start().await;
    rig.simulator.plan("recall", [How::Refuses]);
    let id = rig.sent_in_vain().await;
    rig.becomes(id, Status::Stuck).await;
    let (pool, known) = (rig.florin.database.pool.clone(), rig.facts(id).await.len());
    let asked = Asked {
        id: Uuid::now_v7(),
        how: None,
        by: "key:ops".into(),
        reason: "too soon".into(),
        address: None,
        correlation: None,
    };
    rig.florin.faults.hold("sagas.obey");
    assert!(sagas::ask(&pool, id, known, &asked).await.unwrap());
    assert!(!sagas::ask(&pool, id, known, &asked).await.unwrap(), "one at a time");
    until("a workflow has read it", || async { rig.florin.faults.hits("sagas.obey") > 0 }).await;
    assert!(
        sagas::withdraw(&pool, id, asked.id).await.unwrap() && !sagas::withdraw(&pool, id, asked.id).await.unwrap()
    );
    rig.florin.faults.release("sagas.obey");
    rig.operate(id, None).await.unwrap();
    rig.becomes(id, Status::Failed).await;
    let said = rig.facts(id).await.into_iter().filter(|fact| matches!(fact, Fact::Retried { .. })).collect::<Vec<_>>();
    assert_eq!(said, [Fact::Retried { by: "key:ops".into(), reason: "asked the bank".into() }]);
    let made = format!(
        "SELECT count(*) FROM journal WHERE kind = 23 AND body ->> 'saga' = '{}' AND made_by = 'key:ops' AND body #>> '{{facts,0,fact}}' = 'retried'",
        id.0
    );
    assert_eq!(rig.florin.database.count(&made).await, 1);
    let told = format!(
        "SELECT sum(jsonb_array_length(body -> 'facts'))::bigint FROM journal WHERE body ->> 'saga' = '{}'",
        id.0
    );
    assert_eq!(rig.florin.database.count(&told).await, i64::try_from(rig.facts(id).await.len()).unwrap());
    rig.end().await;
}

// Fails when two operators' facts may have the same number: then the saga goes on twice.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_at_the_same_moment_one_is_told_that_it_is_not_stuck() {
    let rig = Rig::start().await;
    rig.simulator.plan("recall", [How::Refuses]);
    let id = rig.sent_in_vain().await;
    rig.becomes(id, Status::Stuck).await;
    rig.simulator.undo_by_hand(&format!("{}.send", id.0));
    let both = futures::future::join_all((0..2).map(|_| rig.operate(id, Some(Resolution::Undone)))).await;
    assert_eq!(both.iter().filter(|result| result.is_ok()).count(), 1, "{both:?}");
    rig.becomes(id, Status::Failed).await;
    rig.end().await;
}
