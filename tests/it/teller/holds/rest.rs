//! What asks for the rest, while a part is being taken: it gets what is left then.
//!
//! Fails when what is left is not read again (`may_be_stale` is false, or `decided_again` has one try): all are declined.

use florin_wire::florin_v1 as pb;

use super::{hold, started};
use crate::actors::faults::named_by;
use crate::gateway::native::{code, post};
use crate::harness::money::spawn;
use crate::harness::{Florin, until};

type Asked = std::pin::Pin<Box<dyn Future<Output = pb::Transaction> + Send>>;

fn capture(florin: &Florin, key: &str, id: &str, amount: &str, last: bool) -> Asked {
    let (mut native, idempotency_key, hold_id) = (florin.native.clone(), key.into(), id.into());
    let request = pb::CaptureHoldRequest {
        idempotency_key,
        hold_id,
        amount: amount.into(),
        r#final: last,
        ..pb::CaptureHoldRequest::default()
    };
    Box::pin(async move { native.capture_hold(request).await.unwrap().into_inner().transaction.unwrap() })
}

fn void(florin: &Florin, id: &str) -> Asked {
    let (mut native, hold_id) = (florin.native.clone(), id.into());
    let request = pb::VoidHoldRequest { hold_id, ..pb::VoidHoldRequest::default() };
    Box::pin(async move { native.void_hold(request).await.unwrap().into_inner().transaction.unwrap() })
}

/// An empty amount: the rest.
fn refund(florin: &Florin, payment: &str, amount: &str) -> Asked {
    let mut native = florin.native.clone();
    let postings = if amount.is_empty() { vec![] } else { vec![("b", "a", amount)] };
    let request = pb::PostTransactionRequest { refund_of: payment.into(), ..post("", &postings) };
    Box::pin(async move { native.post_transaction(request).await.unwrap().into_inner().transaction.unwrap() })
}

/// Sends `rest` when `part` is decided and not committed; the amount that `rest` posted.
async fn behind(florin: &Florin, payer: &str, part: Asked, rest: impl FnOnce() -> Asked) -> String {
    florin.faults.hold("lane.before_commit");
    let before = florin.faults.hits("lane.before_commit");
    let plug = florin.native.clone();
    let plug = spawn(async move { plug.clone().post_transaction(post("", &[("c", "d", "1")])).await });
    until("the lane is plugged", || async { florin.faults.hits("lane.before_commit") > before }).await;
    let part = spawn(part);
    named_by(florin, payer, 1).await;
    let rest = spawn(rest());
    named_by(florin, payer, 2).await;
    florin.faults.release("lane.before_commit");
    plug.await.unwrap().unwrap();
    let (part, rest) = (part.await.unwrap(), rest.await.unwrap());
    assert_eq!((code(&part), code(&rest)), (None, None));
    rest.postings.first().map(|posting| posting.amount.clone()).unwrap_or_default()
}

async fn with_plug() -> Florin {
    let florin = started().await;
    florin.database.account("c", 100_00).await;
    florin.database.account("d", 0).await;
    florin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_and_captures_of_the_rest_take_what_a_part_leaves() {
    let florin = with_plug().await;
    for (n, amount, last, posted, voided) in
        [(0, None, false, "", "7.00"), (1, Some(""), false, "7.00", "0.00"), (2, Some("2"), true, "2.00", "5.00")]
    {
        let id = florin.held(hold(&format!("h{n}"), "10")).await;
        let part = capture(&florin, &format!("part{n}"), &id, "3", false);
        let rest = || match amount {
            None => void(&florin, &id),
            Some(amount) => capture(&florin, &format!("rest{n}"), &id, amount, last),
        };
        assert_eq!(behind(&florin, "a", part, rest).await, posted, "{amount:?}");
        let over = florin.hold(&id).await;
        assert_eq!((over.remaining.as_str(), over.voided.as_str()), ("0.00", voided), "{amount:?}");
    }
    assert_eq!(florin.money("a").await.1, "0.00");
    florin.stop().await;
}

// Fails also when an account that refuses what is left no more has the rest declined (`is_amount_doubtful` is false).
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_the_rest_gives_back_what_a_part_leaves() {
    for other_money in [false, true] {
        let florin = with_plug().await;
        let paid = pb::PostTransactionRequest { kind: "payment".into(), ..post("", &[("a", "b", "10")]) };
        let paid = florin.post(paid).await.unwrap().transaction.unwrap().id;
        if other_money {
            florin.move_money("", &[("a", "b", "50")]).await.unwrap();
        }
        let rest = || refund(&florin, &paid, "");
        assert_eq!(behind(&florin, "b", refund(&florin, &paid, "3"), rest).await, "7.00", "{other_money}");
        let again = refund(&florin, &paid, "").await;
        assert_eq!(code(&again), Some(pb::DeclineCode::RefundExceeded));
        florin.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_the_rest_that_the_payee_has_not_is_declined_for_that() {
    let florin = with_plug().await;
    let paid = pb::PostTransactionRequest { kind: "payment".into(), ..post("", &[("a", "b", "10")]) };
    let paid = florin.post(paid).await.unwrap().transaction.unwrap().id;
    florin.move_money("", &[("b", "d", "1")]).await.unwrap();
    assert_eq!(code(&refund(&florin, &paid, "").await), Some(pb::DeclineCode::InsufficientFunds));
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE status = 2").await, 1);
    florin.stop().await;
}
