//! Whoever is to take the money is asked before the provider moves any.
//!
//! Each test names the mutation of the product that makes it fail.

use florin::protocol::record::DeclineCode;
use florin::saga::{Status, Workflow};
use florin::teller::ledger::Answer;
use florin_wire::florin_v1 as pb;

use super::{COUNTER, Rig, order};
use crate::gateway::native::limit;
use crate::harness::provider::How;
use crate::harness::until;

impl Rig {
    async fn ceiling(&self, account: &str, amount: &str) {
        let request = pb::UpdateAccountRequest { id: account.into(), max_balance: limit(amount), ..Default::default() };
        self.florin.native.clone().update_account(request).await.unwrap();
    }

    async fn declined(&self, workflow: Workflow, account: &str, cents: i64) -> DeclineCode {
        match self.begin(order(workflow, account, cents)).await.unwrap() {
            Answer::Declined { code, .. } => code,
            done => panic!("{done:?}"),
        }
    }

    /// What the provider was asked to do, by the ends of its operations' keys.
    fn posted(&self) -> Vec<String> {
        let posts = self.simulator.calls().into_iter().filter(|(method, ..)| method == "POST");
        posts.map(|(_, path, _)| path).collect()
    }
}

// Fails when only the accounts that approve the start are asked (`moves_outside_first` is false).
#[tokio::test(flavor = "multi_thread")]
async fn a_movement_that_an_account_would_refuse_at_its_end_is_declined_at_its_start() {
    let rig = Rig::start().await;
    let first = rig.payout(10_00).await;
    rig.becomes(first, Status::Completed).await;
    let asked = rig.posted().len();

    rig.ceiling(COUNTER, "15").await; // of which 10 are there
    assert_eq!(rig.declined(Workflow::Payout, "alice", 5_01).await, DeclineCode::LimitExceeded);
    rig.ceiling("bob", "20").await;
    assert_eq!(rig.declined(Workflow::CardTopup, "bob", 20_01).await, DeclineCode::LimitExceeded);
    rig.set(COUNTER, pb::AccountStatus::Suspended).await;
    assert_eq!(rig.declined(Workflow::Payout, "alice", 1).await, DeclineCode::AccountInactive);
    assert_eq!(rig.declined(Workflow::CardTopup, "bob", 1).await, DeclineCode::AccountInactive);
    assert_eq!(rig.posted().len(), asked, "the provider was asked");
    assert_eq!(rig.florin.database.count("SELECT count(*) FROM sagas").await, 1);

    rig.set(COUNTER, pb::AccountStatus::Active).await;
    let (out, back) = (rig.payout(5_00).await, rig.topup(20_00).await);
    rig.becomes(out, Status::Completed).await;
    rig.becomes(back, Status::Completed).await;
    rig.end().await;
}

// Fails when nobody is asked again before the provider is called, or when what is refused then is called all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_since_it_began_is_undone_without_the_provider() {
    let rig = Rig::start().await;
    let first = rig.payout(1_00).await;
    rig.becomes(first, Status::Completed).await;
    let asked = rig.posted().len();
    rig.florin.faults.hold("sagas.step");
    let (out, back) = (rig.payout(10_00).await, rig.topup(10_00).await);
    rig.set(COUNTER, pb::AccountStatus::Suspended).await;
    rig.florin.faults.release("sagas.step");
    let saga = rig.becomes(out, Status::Failed).await;
    rig.becomes(back, Status::Failed).await;
    assert_eq!(rig.story(out).await, "done hold, attempt 1 of send, failed send, done void");
    assert_eq!(rig.story(back).await, "attempt 1 of charge, failed charge");
    assert_eq!(saga.reason(), Some("account provider:test:USD is suspended"));
    assert_eq!(rig.posted().len(), asked, "the provider was asked");
    rig.end().await;
}

// Fails when what is refused is called not done though an attempt may be on its way: it is undone as if it had come.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_while_an_attempt_is_in_doubt_is_taken_back() {
    let rig = Rig::start().await;
    let first = rig.payout(1_00).await;
    rig.becomes(first, Status::Completed).await;
    rig.simulator.plan("payout", [How::LosesRequest]);
    rig.florin.faults.hold("sagas.answered");
    let id = rig.payout(10_00).await;
    until("the request is lost", || async { rig.florin.faults.hits("sagas.answered") > 0 }).await;
    rig.set(COUNTER, pb::AccountStatus::Suspended).await;
    rig.florin.faults.release("sagas.answered");
    rig.becomes(id, Status::Failed).await;
    let story = rig.story(id).await;
    assert!(story.ends_with("attempt 1 of recall, done recall, done void"), "{story}");
    assert_eq!(rig.posted().iter().filter(|path| path.contains("operations")).count(), 3, "it was submitted again");
    rig.end().await;
}
