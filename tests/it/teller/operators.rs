//! Who did what, and currencies by call, over gRPC.
//!
//! Each test names the mutation of the product that makes it fail.

use std::collections::HashSet;
use std::time::Duration;

use florin_wire::florin_v1 as pb;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::gateway::native::{limit, refused, set_status};
use crate::harness::money::spawn;
use crate::harness::{Florin, Options, TestDatabase, until};

impl Florin {
    async fn actions(
        &self,
        request: pb::ListOperatorActionsRequest,
    ) -> Result<pb::ListOperatorActionsResponse, Status> {
        Ok(self.native.clone().list_operator_actions(request).await?.into_inner())
    }

    /// All that was done to this, the newest first.
    async fn done_to(&self, subject: &str) -> Vec<pb::OperatorAction> {
        let request = pb::ListOperatorActionsRequest { subject: subject.into(), ..Default::default() };
        self.actions(request).await.unwrap().items
    }

    async fn make_currency(&self, request: pb::CreateCurrencyRequest) -> Result<pb::CreateCurrencyResponse, Status> {
        Ok(self.native.clone().create_currency(request).await?.into_inner())
    }

    async fn change_currency(&self, request: pb::UpdateCurrencyRequest) -> Result<pb::Currency, Status> {
        Ok(self.native.clone().update_currency(request).await?.into_inner().currency.unwrap())
    }

    async fn open_in(&self, id: &str, currency: &str) -> Result<pb::Account, Status> {
        let request =
            pb::CreateAccountRequest { id: id.into(), kind: 2, currency: currency.into(), ..Default::default() };
        Ok(self.native.clone().create_account(request).await?.into_inner().account.unwrap())
    }
}

fn gold() -> pb::CreateCurrencyRequest {
    pb::CreateCurrencyRequest {
        code: "XAU".into(),
        name: "Gold".into(),
        exponent: 6,
        r#type: pb::CurrencyType::NonFiat.into(),
        metadata: [("unit".to_owned(), "troy ounce".to_owned())].into(),
        reason: "the vault opens".into(),
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text:?} is no JSON"))
}

// Fails when the actor leaves the action out of the record, when a replay writes another, or when what was refused is
// kept as done.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_account_keeps_who_when_why_and_how_it_was_and_is() {
    let florin = Florin::start().await;
    florin.database.account("alice", 5_00).await;
    let change = pb::UpdateAccountRequest {
        idempotency_key: "k".into(),
        min_balance: limit("-10.5"),
        reason: "credit line of 10.50, ticket 7".into(),
        ..set_status("alice", pb::AccountStatus::Unspecified)
    };
    for _ in 0..3 {
        florin.update(change.clone()).await.unwrap();
    }
    refused(
        florin.update(set_status("alice", pb::AccountStatus::Closed)).await,
        Code::FailedPrecondition,
        &["cannot be closed"],
    );
    florin
        .update(pb::UpdateAccountRequest {
            max_balance: limit("100"),
            ..set_status("alice", pb::AccountStatus::Suspended)
        })
        .await
        .unwrap();
    florin.update(set_status("alice", pb::AccountStatus::Suspended)).await.unwrap();
    let done = florin.done_to("alice").await;
    let names: Vec<(&str, &str, &str)> =
        done.iter().map(|a| (a.action.as_str(), a.actor.as_str(), a.reason.as_str())).collect();
    let expected = [
        ("account.status", "anonymous", ""),
        ("account.change", "anonymous", ""),
        ("account.limits", "anonymous", "credit line of 10.50, ticket 7"),
    ];
    assert_eq!(names, expected);
    assert_eq!(object(&done[2].before), json!({ "status": "active", "floor": "0.00", "ceiling": null }));
    assert_eq!(object(&done[2].after), json!({ "status": "active", "floor": "-10.50", "ceiling": null }));
    assert_eq!(object(&done[1].after), json!({ "status": "suspended", "floor": "-10.50", "ceiling": "100.00" }));
    assert_eq!(done[0].before, done[0].after, "what changed nothing was asked for all the same");
    let with_records = "SELECT count(*) FROM operator_actions a JOIN transactions t ON t.id = a.id AND t.kind = 20 AND t.created_at = a.at";
    assert_eq!(florin.database.count(with_records).await, 3);
    let events = "SELECT count(*) FROM journal WHERE event = 8 AND n = 0";
    assert_eq!(florin.database.count(events).await, 2, "and is no event");
    let long = pb::UpdateAccountRequest { reason: "x".repeat(1_025), ..set_status("alice", pb::AccountStatus::Active) };
    refused(florin.update(long).await, Code::InvalidArgument, &["reason", "1025", "1024"]);
    let control = pb::UpdateAccountRequest { reason: "a\0b".into(), ..set_status("alice", pb::AccountStatus::Active) };
    refused(florin.update(control).await, Code::InvalidArgument, &["reason", "U+0000"]);
    florin.stop().await;
}

// Fails when a page begins at a time alone (actions of one moment are lost or told twice), or when a filter is left out
// of the token's hash.
#[tokio::test(flavor = "multi_thread")]
async fn actions_are_listed_newest_first_filtered_and_page_by_page() {
    let florin = Florin::start().await;
    sqlx::query(
        "INSERT INTO operator_actions SELECT gen_random_uuid(), CASE WHEN n % 10 = 9 THEN 'shop' ELSE 'default' END, '2026-01-01'::timestamptz + n / 7 * interval '1 second', \
         'key:' || n, CASE WHEN n % 2 = 0 THEN 'rate.create' ELSE 'saga.retry' END, 's' || n % 3, '', NULL, '{}', NULL FROM generate_series(0, 199) n",
    )
    .execute(&florin.database.pool)
    .await
    .unwrap();
    let all = pb::ListOperatorActionsRequest { limit: 7, ..Default::default() };
    for (request, expected) in [
        (all.clone(), 180),
        (pb::ListOperatorActionsRequest { action: "rate.create".into(), ..all.clone() }, 100),
        (pb::ListOperatorActionsRequest { subject: "s1".into(), ..all.clone() }, 60),
        (pb::ListOperatorActionsRequest { subject: "s1".into(), action: "rate.create".into(), ..all.clone() }, 33),
        (
            pb::ListOperatorActionsRequest {
                from: "2026-01-01T00:00:10Z".into(),
                to: "2026-01-01T00:00:11Z".into(),
                ..all.clone()
            },
            7,
        ),
        (pb::ListOperatorActionsRequest { subject: "nobody".into(), ..all.clone() }, 0),
    ] {
        let (mut token, mut seen, mut last) = (String::new(), HashSet::new(), None);
        loop {
            let page =
                florin.actions(pb::ListOperatorActionsRequest { page_token: token, ..request.clone() }).await.unwrap();
            for action in page.items {
                let place = (action.at.clone(), action.id.clone());
                assert!(last.is_none_or(|last| place < last), "not newest first");
                last = Some(place);
                assert!(seen.insert(action.id), "told twice");
            }
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen.len(), expected, "{request:?}");
    }
    let token = florin.actions(all.clone()).await.unwrap().next_page_token;
    let other = pb::ListOperatorActionsRequest { subject: "s1".into(), page_token: token, ..all.clone() };
    refused(florin.actions(other).await, Code::InvalidArgument, &["page_token"]);
    let backwards = pb::ListOperatorActionsRequest {
        from: "2026-01-02T00:00:00Z".into(),
        to: "2026-01-01T00:00:00Z".into(),
        ..all.clone()
    };
    refused(florin.actions(backwards).await, Code::InvalidArgument, &["is not after"]);
    refused(
        florin.actions(pb::ListOperatorActionsRequest { limit: 1_001, ..all }).await,
        Code::InvalidArgument,
        &["limit", "1000"],
    );
    florin.stop().await;
}

// Fails when a currency is learnt only at the start, when the exponent is compared with nothing, or when two at once
// make two actions.
#[tokio::test(flavor = "multi_thread")]
async fn a_currency_is_made_once_and_money_moves_in_it_at_once() {
    let florin = Florin::start().await;
    refused(florin.open_in("vault", "XAU").await, Code::InvalidArgument, &["currency \"XAU\""]);
    let made = futures::future::join_all((0..8).map(|_| florin.make_currency(gold()))).await;
    assert_eq!(made.iter().filter(|answer| answer.as_ref().unwrap().created).count(), 1);
    let currency = made[0].as_ref().unwrap().currency.clone().unwrap();
    assert_eq!(
        (currency.code.as_str(), currency.exponent, currency.r#type(), currency.is_active),
        ("XAU", 6, pb::CurrencyType::NonFiat, true)
    );
    assert!(made.iter().all(|answer| answer.as_ref().unwrap().currency.as_ref() == Some(&currency)));
    for id in ["vault", "till"] {
        florin.open_in(id, "XAU").await.unwrap();
    }
    let mut post = crate::gateway::native::post("gold", &[("vault", "till", "0.000001")]);
    post.postings[0].currency = "XAU".into();
    florin.post(post).await.unwrap();
    assert_eq!(florin.account("till").await.balance, "0.000001");
    assert!(florin.pay_in("cents", "vault", "till", 5, "XAU").await.unwrap().error.is_none());
    assert_eq!(florin.account("till").await.balance, "0.000006");

    let with = |change: &dyn Fn(&mut pb::CreateCurrencyRequest)| {
        let mut other = gold();
        change(&mut other);
        other
    };
    for (other, words) in [
        (with(&|c| c.exponent = 5), ["exponent 6", "not 5"]),
        (with(&|c| c.r#type = pb::CurrencyType::Fiat.into()), ["type non-fiat", "not fiat"]),
        (with(&|c| c.name = "Silver".into()), ["name \"Gold\"", "\"Silver\""]),
        (with(&|c| c.metadata.clear()), ["XAU exists already", "metadata"]),
    ] {
        refused(florin.make_currency(other).await, Code::AlreadyExists, &words);
    }
    for (bad, words) in [
        (with(&|c| c.code = "X".into()), vec!["code \"X\"", "2 to 12"]),
        (with(&|c| c.code = "xau".into()), vec!["code \"xau\""]),
        (with(&|c| c.code = "ABCDEFGHIJKLM".into()), vec!["code", "13", "12"]),
        (with(&|c| c.code = "A'B".into()), vec!["code \"A'B\""]),
        (with(&|c| c.name = String::new()), vec!["name is required"]),
        (with(&|c| c.r#type = 0), vec!["type \"0\"", "CURRENCY_TYPE_FIAT"]),
        (with(&|c| c.exponent = 19), vec!["exponent", "18"]),
        (with(&|c| c.exponent = u32::MAX), vec!["exponent", "18"]),
        (with(&|c| c.reason = "x".repeat(2_000)), vec!["reason", "1024"]),
    ] {
        refused(florin.make_currency(bad).await, Code::InvalidArgument, &words);
    }
    let listed = florin.native.clone().list_currencies(pb::ListCurrenciesRequest {}).await.unwrap().into_inner().items;
    assert!(listed.contains(&currency) && listed.len() == 11);
    let done = florin.done_to("XAU").await;
    assert_eq!(
        (done.len(), done[0].action.as_str(), done[0].reason.as_str(), done[0].before.as_str()),
        (1, "currency.create", "the vault opens", "")
    );
    assert_eq!(
        (&object(&done[0].after)["exponent"], &object(&done[0].after)["metadata"]["unit"]),
        (&json!(6), &json!("troy ounce"))
    );
    florin.stop().await;
}

// Fails when only new accounts' gateway looks whether a currency is in use (the race below opens one), or when
// movements look as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_currency_out_of_use_takes_no_new_accounts_and_moves_what_it_has() {
    let florin = Florin::start().await;
    florin.make_currency(gold()).await.unwrap();
    for id in ["vault", "till"] {
        florin.open_in(id, "XAU").await.unwrap();
    }
    let off = pb::UpdateCurrencyRequest {
        code: "XAU".into(),
        is_active: Some(false),
        reason: "the vault closes".into(),
        ..Default::default()
    };
    // Somebody takes it out of use just when an account is being opened: that waits for the outcome.
    let mut taking = florin.database.pool.begin().await.unwrap();
    sqlx::query("UPDATE currencies SET active = false WHERE code = 'XAU'").execute(&mut *taking).await.unwrap();
    let (native, database) = (florin.native.clone(), florin.database.clone());
    let request = pb::CreateAccountRequest { id: "late".into(), kind: 2, currency: "XAU".into(), ..Default::default() };
    let opening = spawn(async move { native.clone().create_account(request).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%commit_batch%'";
    until("the opening waits", async || database.count(waiting).await == 1).await;
    taking.commit().await.unwrap();
    refused(opening.await.unwrap(), Code::FailedPrecondition, &["currency XAU is not in use"]);
    let traces = "SELECT (SELECT count(*) FROM accounts WHERE name = 'late') + (SELECT count(*) FROM journal WHERE body ->> 'name' = 'late')";
    assert_eq!(florin.database.count(traces).await, 0);

    assert!(!florin.change_currency(off.clone()).await.unwrap().is_active);
    assert_eq!(florin.done_to("XAU").await.len(), 1, "it was out of use already: nothing changed, nothing was done");
    refused(florin.open_in("new", "XAU").await, Code::FailedPrecondition, &["currency XAU is not in use"]);
    florin.open_in("vault", "XAU").await.unwrap(); // it is there
    assert!(florin.pay_in("cents", "vault", "till", 5, "XAU").await.unwrap().error.is_none(), "movements go on");
    florin
        .change_currency(pb::UpdateCurrencyRequest {
            is_active: Some(true),
            name: Some("Fine gold".into()),
            ..off.clone()
        })
        .await
        .unwrap();
    florin.open_in("new", "XAU").await.unwrap();
    let metadata =
        pb::UpdateCurrencyRequest { code: "XAU".into(), metadata: Some(pb::Metadata::default()), ..Default::default() };
    assert!(florin.change_currency(metadata).await.unwrap().metadata.is_empty());
    let done = florin.done_to("XAU").await;
    assert_eq!(
        done.iter().map(|a| a.action.as_str()).collect::<Vec<_>>(),
        ["currency.change", "currency.change", "currency.create"]
    );
    assert_eq!(
        (&object(&done[1].before)["isActive"], &object(&done[1].after)["isActive"], &object(&done[1].after)["name"]),
        (&json!(false), &json!(true), &json!("Fine gold"))
    );
    refused(
        florin.change_currency(pb::UpdateCurrencyRequest { code: "NONE".into(), ..off.clone() }).await,
        Code::NotFound,
        &["NONE"],
    );
    refused(
        florin.change_currency(pb::UpdateCurrencyRequest { code: String::new(), ..off.clone() }).await,
        Code::InvalidArgument,
        &["code is required"],
    );
    refused(
        florin.change_currency(pb::UpdateCurrencyRequest { name: Some(String::new()), ..off }).await,
        Code::InvalidArgument,
        &["name is required"],
    );
    florin.stop().await;
}

// Fails when an unknown code is believed to be unknown under a new epoch too, or for ever.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_over_knows_the_new_currencies_and_what_comes_by_hand_is_known_within_a_second() {
    let database = TestDatabase::fresh().await;
    let options = || Options { lease: Duration::from_millis(500), ..Options::default() };
    let first = Florin::with(database.clone(), options()).await;
    let second = Florin::standby(database.clone(), &database.url, options(), "second").await;
    refused(second.open_in("vault", "XAU").await, Code::Unavailable, &["stands by"]);
    refused(first.open_in("vault", "XAU").await, Code::InvalidArgument, &["currency \"XAU\""]);
    first.make_currency(gold()).await.unwrap();
    for id in ["vault", "till"] {
        first.open_in(id, "XAU").await.unwrap();
    }
    first.kill().await;
    second.serving().await;
    assert!(
        second.pay_in("cents", "vault", "till", 5, "XAU").await.unwrap().error.is_none(),
        "by the first call under its epoch"
    );

    let insert = async |code: &str| {
        let sql = "INSERT INTO currencies (code, exponent, name, fiat) VALUES ($1, 4, 'By hand', false)";
        sqlx::query(sql).bind(code).execute(&database.pool).await.unwrap();
    };
    refused(second.open_in("one", "ONE").await, Code::InvalidArgument, &["currency \"ONE\""]);
    insert("ONE").await;
    let mut active = second.tree.node.active().unwrap();
    active.epoch += 1; // as if it had lost the lease and had it again, in this very second
    second.tree.node.set_active(Some(active));
    second.open_in("one", "ONE").await.unwrap();
    refused(second.open_in("two", "TWO").await, Code::InvalidArgument, &["currency \"TWO\""]);
    insert("TWO").await;
    let began = std::time::Instant::now();
    until("it is known", async || second.open_in("two", "TWO").await.is_ok()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    second.stop().await;
}
