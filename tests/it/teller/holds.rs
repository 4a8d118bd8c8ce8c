//! Holds: authorize, capture in parts, void, expiry; one at a time, at the same moment, and across a restart.
//!
//! Each test of a fault names the mutation of the product that makes it fail.

mod captures;
mod rest;

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use florin::protocol::events::EventType;
use florin::resilience::health::Part;
use florin_wire::florin_v1 as pb;
use tonic::{Code, Status};

use crate::gateway::native::{code, refused, set_status};
use crate::harness::money::spawn;
use crate::harness::{Florin, Options, TestDatabase, until};

fn hold(key: &str, amount: &str) -> pb::AuthorizeHoldRequest {
    pb::AuthorizeHoldRequest {
        idempotency_key: key.into(),
        source_account_id: "a".into(),
        destination_account_id: "b".into(),
        amount: amount.into(),
        currency: "USD".into(),
        ..pb::AuthorizeHoldRequest::default()
    }
}

fn in_ms(ms: i64) -> String {
    (Utc::now() + TimeDelta::milliseconds(ms)).to_rfc3339()
}

impl Florin {
    async fn authorize(&self, request: pb::AuthorizeHoldRequest) -> Result<pb::AuthorizeHoldResponse, Status> {
        Ok(self.native.clone().authorize_hold(request).await?.into_inner())
    }

    /// The id of a new hold.
    async fn held(&self, request: pb::AuthorizeHoldRequest) -> String {
        self.authorize(request).await.unwrap().hold.unwrap().id
    }

    async fn capture(
        &self,
        key: &str,
        hold: &str,
        amount: &str,
        last: bool,
    ) -> Result<pb::CaptureHoldResponse, Status> {
        let request = pb::CaptureHoldRequest {
            idempotency_key: key.into(),
            hold_id: hold.into(),
            amount: amount.into(),
            r#final: last,
            ..Default::default()
        };
        Ok(self.native.clone().capture_hold(request).await?.into_inner())
    }

    async fn void(&self, key: &str, hold: &str) -> Result<pb::VoidHoldResponse, Status> {
        let request = pb::VoidHoldRequest { idempotency_key: key.into(), hold_id: hold.into(), ..Default::default() };
        Ok(self.native.clone().void_hold(request).await?.into_inner())
    }

    async fn hold(&self, id: &str) -> pb::Hold {
        self.native.clone().get_hold(pb::GetHoldRequest { id: id.into() }).await.unwrap().into_inner().hold.unwrap()
    }

    async fn money(&self, account: &str) -> (String, String, String) {
        let account = self.account(account).await;
        (account.balance, account.held, account.available)
    }
}

fn texts(balance: &str, held: &str, available: &str) -> (String, String, String) {
    (balance.into(), held.into(), available.into())
}

fn done(transaction: Option<pb::Transaction>) -> Option<pb::DeclineCode> {
    code(&transaction.unwrap())
}

async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    florin
}

#[tokio::test(flavor = "multi_thread")]
async fn held_money_keeps_an_account_open_and_can_always_be_let_go() {
    let florin = started().await;
    let id = florin.held(hold("h", "100")).await;
    refused(
        florin.update(set_status("a", pb::AccountStatus::Closed)).await,
        Code::FailedPrecondition,
        &["100.00 USD is held"],
    );
    florin.update(set_status("a", pb::AccountStatus::Suspended)).await.unwrap();
    assert_eq!(
        done(florin.capture("c", &id, "", false).await.unwrap().transaction),
        Some(pb::DeclineCode::AccountInactive)
    );
    assert_eq!(done(florin.void("v", &id).await.unwrap().transaction), None);
    assert_eq!(florin.money("a").await, texts("100.00", "0.00", "100.00"));
    florin.stop().await;
}

// Fails when `hold_taken` is no CHECK (both succeed and the books do not balance), and when the lane takes its
// violation for a fault of ours (the second one hears LEDGER_GUARD, and the account's actor is killed).
#[tokio::test(flavor = "multi_thread")]
async fn captured_and_voided_at_the_same_moment_one_wins_and_the_other_is_told() {
    let florin = started().await;
    florin.held(hold("other", "50")).await; // so that it is the hold that runs out, not what the account holds
    for round in 0..4 {
        let id = florin.held(hold(&format!("h{round}"), "10")).await;
        florin.faults.hold("lane.before_commit");
        let (native, hold_id) = (florin.native.clone(), id.clone());
        let capture = spawn(async move {
            native
                .clone()
                .capture_hold(pb::CaptureHoldRequest { hold_id, ..Default::default() })
                .await
                .unwrap()
                .into_inner()
                .transaction
        });
        let (native, hold_id) = (florin.native.clone(), id.clone());
        let void = spawn(async move {
            native
                .clone()
                .void_hold(pb::VoidHoldRequest { hold_id, ..Default::default() })
                .await
                .unwrap()
                .into_inner()
                .transaction
        });
        until("both have read the hold and are in the journal", || async {
            florin.tree.node.active().unwrap().journal.depth() == 2
        })
        .await;
        florin.faults.release("lane.before_commit");
        let codes = [done(capture.await.unwrap()), done(void.await.unwrap())];
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().flatten().collect::<Vec<_>>(), [&pb::DeclineCode::HoldExceeded]);
        assert_eq!(florin.hold(&id).await.remaining, "0.00");
    }
    assert_eq!(florin.money("a").await.1, "50.00");
    florin.stop().await;
}

// Fails when `decide` does not count what is held: the database refuses the third (LEDGER_GUARD), and the account's
// actor is killed under whoever else uses it.
#[tokio::test(flavor = "multi_thread")]
async fn holds_on_an_account_without_a_floor_end_at_28_digits_and_hurt_nobody() {
    let florin = started().await;
    florin.open("s", pb::AccountKind::System).await;
    let most = "99999999999999999999999999.99";
    let on = |key: &str, amount: &str| pb::AuthorizeHoldRequest { source_account_id: "s".into(), ..hold(key, amount) };
    let id = florin.held(on("h1", most)).await;
    for n in 0..20 {
        let beyond = florin.authorize(on(&format!("more{n}"), "0.01")).await.unwrap().transaction;
        assert_eq!(done(beyond), Some(pb::DeclineCode::InsufficientFunds), "its capture would leave too little");
    }
    florin.move_money("", &[("a", "s", "50")]).await.unwrap();
    let beyond = florin.authorize(on("h2", "0.01")).await.unwrap().transaction;
    assert_eq!(done(beyond), Some(pb::DeclineCode::LimitExceeded), "what is held is an amount too");
    assert_eq!(florin.health.parts().get(&Part::Accounts).map_or(0, |part| part.restarts), 0);
    assert_eq!(done(florin.void("v", &id).await.unwrap().transaction), None);
    assert_eq!(florin.money("s").await, texts("50.00", "0.00", "50.00"));
    florin.stop().await;
}

// Fails when the root starts no expiry, or does not start it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_expires_at_its_time_also_when_its_actor_fails() {
    let florin = started().await;
    florin.faults.panic_at("expiry.sent", 0, 2);
    let id = florin.held(pb::AuthorizeHoldRequest { expires_at: in_ms(400), ..hold("h", "60") }).await;
    assert_eq!(done(florin.capture("c", &id, "10", false).await.unwrap().transaction), None);
    assert_eq!(florin.money("a").await.1, "50.00");
    until("the hold has expired", || async { florin.hold(&id).await.remaining == "0.00" }).await;
    let voided = florin.void("v", &id).await.unwrap(); // which its time did already
    assert_eq!((voided.replayed, done(voided.transaction)), (true, None));
    let over = florin.hold(&id).await;
    assert_eq!((over.captured.as_str(), over.voided.as_str()), ("10.00", "50.00"));
    until("its actor was started again", || async { florin.faults.hits("expiry.sent") > 6 }).await;
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE kind = 12").await, 1);
    for event in [EventType::HoldAuthorized, EventType::TransactionPosted, EventType::HoldVoided] {
        let bodies = florin.database.told(event).await;
        let bodies: Vec<serde_json::Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        assert!(bodies.iter().any(|body| body["event_type"] == event.name()), "{event:?} in {bodies:?}");
        bodies.iter().for_each(crate::actors::outbox::schemas::check);
    }
    florin.stop().await;
}

// Fails when the root of the next node starts no expiry.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_expires_though_the_node_died_before() {
    let database = TestDatabase::fresh().await;
    let florin =
        Florin::with(database.clone(), Options { lease: Duration::from_millis(500), ..Options::default() }).await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    let id = florin.held(pb::AuthorizeHoldRequest { expires_at: in_ms(1_500), ..hold("h", "60") }).await;
    let late = florin.held(pb::AuthorizeHoldRequest { expires_at: in_ms(3_600_000), ..hold("h2", "10") }).await;
    florin.kill().await;
    let florin = Florin::with(database, Options { lease: Duration::from_millis(500), ..Options::default() }).await;
    assert_eq!(florin.money("a").await, texts("100.00", "70.00", "30.00"));
    until("the hold has expired", || async { florin.hold(&id).await.remaining == "0.00" }).await;
    assert_eq!((florin.money("a").await.1, florin.hold(&late).await.status()), ("10.00".into(), pb::HoldStatus::Open));
    florin.stop().await;
}

// Rule 17. Fails when what was captured is neither counted before a capture nor guarded by CHECKs.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_in_a_lane_when_the_actor_and_then_the_node_die_is_not_captured_again() {
    let database = TestDatabase::fresh().await;
    let options = || Options { lease: Duration::from_millis(500), ..Options::default() };
    let florin = Florin::with(database.clone(), options()).await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    let id = florin.held(hold("h", "100")).await;
    florin.faults.hold("lane.after_commit");
    let (native, hold_id) = (florin.native.clone(), id.clone());
    let first = spawn(async move {
        let request =
            pb::CaptureHoldRequest { hold_id, amount: "60".into(), idempotency_key: "c1".into(), ..Default::default() };
        native.clone().capture_hold(request).await.is_ok_and(|answer| done(answer.into_inner().transaction).is_none())
    });
    until("the capture is committed", || async { florin.faults.hits("lane.after_commit") > 0 }).await;
    florin.kill_actors();
    florin.kill().await;
    let florin = Florin::with(database, options()).await;
    let second = florin.capture("c2", &id, "60", false).await.unwrap();
    assert_eq!(
        done(second.transaction),
        Some(pb::DeclineCode::HoldExceeded),
        "the first one said {}",
        first.await.unwrap()
    );
    assert!(florin.capture("c1", &id, "60", false).await.unwrap().replayed);
    assert_eq!(florin.money("a").await, texts("40.00", "40.00", "0.00"));
    florin.stop().await;
}
