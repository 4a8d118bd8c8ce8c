//! CreateAccount, GetAccount, UpdateAccount, and what they mean for money in flight.

use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use tonic::Code;

use super::{code, limit, post, refused, set_status};
use crate::harness::{Florin, until};

fn create(id: &str) -> pb::CreateAccountRequest {
    pb::CreateAccountRequest {
        id: id.into(),
        kind: pb::AccountKind::User.into(),
        currency: "USD".into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_once_and_another_of_its_name_is_refused() {
    let florin = Florin::start().await;
    let open = |request: pb::CreateAccountRequest| async {
        florin.native.clone().create_account(request).await.map(|answer| answer.into_inner().account.unwrap())
    };
    let request = pb::CreateAccountRequest {
        owner: "Ada".into(),
        min_balance: Some("-5".into()),
        max_balance: Some("100.00".into()),
        metadata: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
        ..create("acc")
    };
    let opened = join_all((0..10).map(|_| open(request.clone()))).await;
    let first = opened[0].clone().unwrap();
    assert!(opened.iter().all(|account| account.as_ref().unwrap() == &first));
    assert_eq!(
        (first.min_balance.as_deref(), first.max_balance.as_deref(), first.balance.as_str(), first.available.as_str()),
        (Some("-5.00"), Some("100.00"), "0.00", "0.00")
    );
    assert_eq!(
        (first.status(), first.normal_side(), first.metadata.len()),
        (pb::AccountStatus::Active, pb::NormalSide::Credit, 2)
    );
    assert_eq!(florin.account("acc").await, first);
    let with = |change: &dyn Fn(&mut pb::CreateAccountRequest)| {
        let mut other = request.clone();
        change(&mut other);
        other
    };
    for (other, word) in [
        (with(&|r| r.kind = pb::AccountKind::System.into()), "kind"),
        (with(&|r| r.normal_side = pb::NormalSide::Debit.into()), "normal_side"),
        (with(&|r| r.currency = "EUR".into()), "currency: USD, not EUR"),
        (with(&|r| r.owner = "Bob".into()), "owner: \"Ada\", not \"Bob\""),
        (with(&|r| r.min_balance = None), "min_balance: \"-5.00\", not \"0.00\""),
        (with(&|r| r.max_balance = None), "max_balance: \"100.00\", not \"none\""),
        (with(&|r| r.metadata.clear()), "metadata"),
    ] {
        refused(open(other).await, Code::AlreadyExists, &["account acc exists already", word]);
    }
    for (bad, words) in [
        (create(""), vec!["id is required"]),
        (create(&"x".repeat(129)), vec!["id", "129", "128"]),
        (create("a\0"), vec!["id", "U+0000"]),
        (with(&|r| r.kind = 0), vec!["kind", "ACCOUNT_KIND_USER"]),
        (with(&|r| r.kind = 9), vec!["kind \"9\""]),
        (with(&|r| r.normal_side = 9), vec!["normal_side \"9\""]),
        (with(&|r| r.currency = "XXX".into()), vec!["currency \"XXX\""]),
        (with(&|r| r.owner = "x".repeat(256)), vec!["owner", "256", "255"]),
        (with(&|r| r.owner = "a\0b".into()), vec!["owner", "U+0000"]),
        (with(&|r| r.min_balance = Some("0.001".into())), vec!["min_balance \"0.001\"", "2 decimals"]),
        (
            with(&|r| r.min_balance = Some("100.01".into())),
            vec!["min_balance \"100.01\" is above max_balance, \"100.00\""],
        ),
        (with(&|r| r.max_balance = Some("-0.01".into())), vec!["max_balance \"-0.01\" is below zero"]),
        (with(&|r| drop(r.metadata.insert("\0".into(), String::new()))), vec!["metadata key", "U+0000"]),
    ] {
        refused(open(bad).await, Code::InvalidArgument, &words);
    }
    let external = florin.open("world", pb::AccountKind::External).await;
    assert_eq!((external.min_balance, external.normal_side), (None, pb::NormalSide::Debit.into()));
    refused(
        florin.native.clone().get_account(pb::GetAccountRequest { id: "nobody".into() }).await,
        Code::NotFound,
        &["nobody"],
    );
    florin.stop().await;
}

/// With 100 dollars on `a`, and none on `b`.
async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    florin
}

/// Both limits of `a`; an empty text is none.
fn limits(floor: &str, ceiling: &str) -> pb::UpdateAccountRequest {
    pb::UpdateAccountRequest {
        min_balance: limit(floor),
        max_balance: limit(ceiling),
        id: "a".into(),
        ..Default::default()
    }
}

/// Moves this much; why not.
async fn moved(florin: &Florin, from: &str, to: &str, amount: &str) -> Option<pb::DeclineCode> {
    let done = florin.move_money("", &[(from, to, amount)]).await.unwrap();
    assert_eq!(done.status() == pb::TransactionStatus::Completed, done.decline.is_none(), "{done:?}");
    code(&done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_takes_and_pays_nothing_until_it_is_active_again() {
    let florin = started().await;
    let suspended = florin.update(set_status("b", pb::AccountStatus::Suspended)).await.unwrap();
    assert_eq!(suspended.status(), pb::AccountStatus::Suspended);
    for pair in [("a", "b"), ("b", "a")] {
        let declined = florin.move_money("", &[(pair.0, pair.1, "1")]).await.unwrap();
        assert_eq!(code(&declined), Some(pb::DeclineCode::AccountInactive));
        assert!(declined.decline.unwrap().message.contains("suspended"));
    }
    florin.update(set_status("b", pb::AccountStatus::Active)).await.unwrap();
    assert_eq!(moved(&florin, "a", "b", "1").await, None);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_bind_from_the_answer_on() {
    let florin = started().await;
    let changed = florin.update(limits("-10", "150")).await.unwrap();
    assert_eq!((changed.min_balance.as_deref(), changed.max_balance.as_deref()), (Some("-10.00"), Some("150.00")));
    assert_eq!(moved(&florin, "a", "b", "110").await, None);
    assert_eq!(moved(&florin, "a", "b", "0.01").await, Some(pb::DeclineCode::InsufficientFunds));
    let request = pb::UpdateAccountRequest { max_balance: limit(""), id: "a".into(), ..Default::default() };
    let unlimited = florin.update(request).await.unwrap();
    assert_eq!((unlimited.max_balance, unlimited.min_balance.as_deref()), (None, Some("-10.00")), "one at a time");
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_past_the_balance_bind_what_is_new_and_move_nothing() {
    let florin = started().await;
    florin.update(limits("-10", "150")).await.unwrap();
    assert_eq!(moved(&florin, "a", "b", "110").await, None);
    let past = florin.update(limits("0", "-10.01")).await.unwrap();
    assert_eq!(
        (past.min_balance.as_deref(), past.max_balance.as_deref(), past.balance.as_str()),
        (Some("0.00"), Some("-10.01"), "-10.00")
    );
    assert_eq!(moved(&florin, "a", "b", "0.01").await, Some(pb::DeclineCode::InsufficientFunds));
    assert_eq!(moved(&florin, "b", "a", "0.01").await, Some(pb::DeclineCode::LimitExceeded));
    florin.update(limits("0", "")).await.unwrap();
    assert_eq!(moved(&florin, "b", "a", "0.01").await, None, "towards the floor");
    assert_eq!(moved(&florin, "a", "b", "0.01").await, Some(pb::DeclineCode::InsufficientFunds));
    florin.update(limits("-10", "")).await.unwrap();
    assert_eq!(moved(&florin, "a", "b", "0.01").await, None);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_change_of_an_account_is_named() {
    let florin = started().await;
    let active = set_status("a", pb::AccountStatus::Active);
    let keyed = |key: String| pb::UpdateAccountRequest { idempotency_key: key, ..active.clone() };
    for (bad, words) in [
        (
            pb::UpdateAccountRequest { id: "a".into(), ..Default::default() },
            vec!["status, min_balance and max_balance"],
        ),
        (set_status("", pb::AccountStatus::Active), vec!["id is required"]),
        (pb::UpdateAccountRequest { status: 9, ..active.clone() }, vec!["status \"9\""]),
        (limits("1.234", ""), vec!["min_balance \"1.234\" has more than the 2 decimals of USD"]),
        (limits("0", "x"), vec!["max_balance \"x\""]),
        (keyed("\0".into()), vec!["idempotency_key", "U+0000"]),
        (keyed("x".repeat(256)), vec!["idempotency_key", "256", "255"]),
    ] {
        refused(florin.update(bad).await, Code::InvalidArgument, &words);
    }
    refused(florin.update(set_status("nobody", pb::AccountStatus::Active)).await, Code::NotFound, &["nobody"]);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changes_key_is_used_once() {
    let florin = Florin::start().await;
    florin.database.account("a", 0).await;
    let keyed = |status| pb::UpdateAccountRequest { idempotency_key: "key".into(), ..set_status("a", status) };
    florin.update(keyed(pb::AccountStatus::Suspended)).await.unwrap();
    florin.update(set_status("a", pb::AccountStatus::Active)).await.unwrap();
    // The repeat has no second effect, and says how the account is.
    assert_eq!(florin.update(keyed(pb::AccountStatus::Suspended)).await.unwrap().status(), pb::AccountStatus::Active);
    refused(florin.update(keyed(pb::AccountStatus::Closed)).await, Code::Aborted, &["used before"]);
    refused(florin.post(post("key", &[("a", "b", "1")])).await, Code::Aborted, &["used before"]);
    florin.stop().await;
}

/// Mutation: a change that is not woken by the one before it hangs here.
#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_written_one_after_another() {
    let florin = Florin::start().await;
    florin.database.account("a", 0).await;
    let texts: Vec<String> = (1..=50).map(|n| n.to_string()).collect();
    let change =
        |text: &String| pb::UpdateAccountRequest { id: "a".into(), max_balance: limit(text), ..Default::default() };
    let answers = join_all(texts.iter().map(|text| florin.update(change(text)))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(florin.account("a").await.version, 50);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_account_closes_and_it_stays_closed() {
    let florin = Florin::start().await;
    florin.database.account("a", 12_50).await;
    florin.database.account("b", 0).await;
    refused(
        florin.update(set_status("a", pb::AccountStatus::Closed)).await,
        Code::FailedPrecondition,
        &["account a cannot be closed", "12.50 USD"],
    );
    assert_eq!(florin.account("a").await.status(), pb::AccountStatus::Active);
    florin.move_money("", &[("a", "b", "12.50")]).await.unwrap();
    assert_eq!(
        florin.update(set_status("a", pb::AccountStatus::Closed)).await.unwrap().status(),
        pb::AccountStatus::Closed
    );
    let declined = florin.move_money("", &[("b", "a", "1")]).await.unwrap();
    assert_eq!(code(&declined), Some(pb::DeclineCode::AccountInactive));
    // once more is the same answer, with and without a key; another change is refused
    for key in ["", "again", "again"] {
        let again =
            pb::UpdateAccountRequest { idempotency_key: key.into(), ..set_status("a", pb::AccountStatus::Closed) };
        assert_eq!(florin.update(again).await.unwrap().status(), pb::AccountStatus::Closed, "{key}");
    }
    for other in [
        set_status("a", pb::AccountStatus::Active),
        pb::UpdateAccountRequest { max_balance: limit("5"), ..set_status("a", pb::AccountStatus::Closed) },
    ] {
        refused(florin.update(other).await, Code::FailedPrecondition, &["closed, which is final"]);
    }
    for status in [pb::AccountStatus::Suspended, pb::AccountStatus::Suspended, pb::AccountStatus::Active].repeat(2) {
        assert_eq!(florin.update(set_status("b", status)).await.unwrap().status(), status);
    }
    florin.stop().await;
}

/// Mutation: a change that does not wait for open legs closes the account and the credit breaks a check of the
/// database.
#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_a_credit_in_flight_and_is_then_refused() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    florin.database.account("b", 0).await;
    florin.account("b").await;
    florin.faults.hold("lane.before_commit");
    let close = async {
        until("the credit is in the lane", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
        let close = florin.update(set_status("b", pb::AccountStatus::Closed));
        let release = async {
            until("the close is in flight", || async { florin.in_flight.now() == 2 }).await;
            florin.faults.release("lane.before_commit");
        };
        tokio::join!(close, release).0
    };
    let (credit, close) = tokio::join!(florin.move_money("", &[("a", "b", "4")]), close);
    assert_eq!(credit.unwrap().status(), pb::TransactionStatus::Completed);
    refused(close, Code::FailedPrecondition, &["account b cannot be closed", "4.00 USD"]);
    assert_eq!(florin.move_money("", &[("b", "a", "4")]).await.unwrap().status(), pb::TransactionStatus::Completed);
    florin.stop().await;
}

/// Mutation: a ceiling that binds loosened before it is written lets credits through that the database refuses.
#[tokio::test(flavor = "multi_thread")]
async fn credits_that_race_a_ceiling_and_its_change_never_pass_it() {
    let florin = Florin::start().await;
    florin.database.account("a", 1_000_00).await;
    let ceiling =
        |text: &str| pb::UpdateAccountRequest { id: "b".into(), max_balance: limit(text), ..Default::default() };
    florin.open("b", pb::AccountKind::User).await;
    florin.update(ceiling("10")).await.unwrap();
    let (one, two) = tokio::join!(florin.move_money("", &[("a", "b", "6")]), florin.move_money("", &[("a", "b", "6")]));
    let codes = [code(&one.unwrap()), code(&two.unwrap())];
    assert!(codes.contains(&None) && codes.contains(&Some(pb::DeclineCode::LimitExceeded)), "{codes:?}");
    // Raised and lowered while credits come: every answer is a business answer.
    let credits = join_all((0..200).map(|_| florin.move_money("", &[("a", "b", "1")])));
    let changes = async {
        for text in ["20", "50", "40", "100", "90"] {
            florin.update(ceiling(text)).await.unwrap();
        }
    };
    let (credits, ()) = tokio::join!(credits, changes);
    let done = credits
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().status() == pb::TransactionStatus::Completed)
        .count();
    let account = florin.account("b").await;
    assert_eq!(account.balance, format!("{}.00", 6 + done));
    // A ceiling that was lowered past the balance lets nothing more in, and takes nothing out.
    assert_eq!(
        florin
            .database
            .count("SELECT count(*) FROM balances_now WHERE credits - debits > greatest(ceiling, ceiling_from)")
            .await,
        0
    );
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_survives_whatever_dies_under_it() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    let points = [
        "account.change",
        "account.read",
        "account.approved",
        "account.absorb",
        "lane.before_take",
        "lane.taken",
        "lane.settled",
    ];
    for (n, point) in (1..).zip(points) {
        let text = n.to_string();
        florin.faults.panic_at(point, 0, 1);
        let changed = florin
            .update(pb::UpdateAccountRequest { id: "a".into(), min_balance: limit(&text), ..Default::default() })
            .await;
        assert_eq!(
            changed.map(|account| account.min_balance).map_err(|status| format!("{point}: {status:?}")),
            Ok(Some(format!("{n}.00")))
        );
        florin.faults.panic_at(point, 0, 0);
    }
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE kind = 20").await, 7);
    florin.stop().await;
}
