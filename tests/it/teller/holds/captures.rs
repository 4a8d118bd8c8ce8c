//! One hold after the other: what it takes, what its captures and its void leave, and what is repeated.

use florin_wire::florin_v1 as pb;
use tonic::Code;

use super::{done, hold, started, texts};
use crate::gateway::native::{code, refused};
use crate::harness::Florin;

const EXCEEDED: Option<pb::DeclineCode> = Some(pb::DeclineCode::HoldExceeded);
const NO_FUNDS: Option<pb::DeclineCode> = Some(pb::DeclineCode::InsufficientFunds);

/// Captures, not as the last one; why not.
async fn capture(florin: &Florin, key: &str, id: &str, amount: &str) -> Option<pb::DeclineCode> {
    done(florin.capture(key, id, amount, false).await.unwrap().transaction)
}

/// Lets go of what is left; why not.
async fn void(florin: &Florin, key: &str, id: &str) -> Option<pb::DeclineCode> {
    done(florin.void(key, id).await.unwrap().transaction)
}

/// What has become of it: remaining, captured, voided.
fn parts(hold: &pb::Hold) -> [&str; 3] {
    [&hold.remaining, &hold.captured, &hold.voided]
}

#[tokio::test(flavor = "multi_thread")]
async fn held_money_is_not_there_for_anything_else() {
    let florin = started().await;
    let made = florin.authorize(hold("h", "60")).await.unwrap().hold.unwrap();
    assert_eq!((made.status(), parts(&made)), (pb::HoldStatus::Open, ["60.00", "0.00", "0.00"]));
    assert_eq!(florin.money("a").await, texts("100.00", "60.00", "40.00"));
    let pending = pb::GetTransactionRequest { id: made.id };
    let pending = florin.native.clone().get_transaction(pending).await.unwrap().into_inner().transaction.unwrap();
    assert_eq!((pending.kind.as_str(), pending.postings.len()), ("hold", 0));
    assert_eq!(done(florin.authorize(hold("more", "40.01")).await.unwrap().transaction), NO_FUNDS);
    assert_eq!(code(&florin.move_money("", &[("a", "b", "40.01")]).await.unwrap()), NO_FUNDS);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_captured_in_parts_up_to_what_it_has() {
    let florin = started().await;
    let id = florin.held(hold("h", "60")).await;
    let first = florin.capture("c1", &id, "20", false).await.unwrap().transaction.unwrap();
    assert_eq!((first.kind.as_str(), code(&first)), ("capture", None));
    assert_eq!(
        (florin.money("a").await, florin.money("b").await),
        (texts("80.00", "40.00", "40.00"), texts("20.00", "0.00", "20.00"))
    );
    assert_eq!(capture(&florin, "c2", &id, "40.01").await, EXCEEDED);
    assert_eq!(capture(&florin, "c3", &id, "").await, None, "all that is left");
    assert_eq!(florin.money("a").await, texts("40.00", "0.00", "40.00"));
    let over = florin.hold(&id).await;
    assert_eq!((over.status(), parts(&over)), (pb::HoldStatus::Captured, ["0.00", "60.00", "0.00"]));
    for n in ["c4", "c5"] {
        assert_eq!(capture(&florin, n, &id, "").await, EXCEEDED);
        assert_eq!(void(&florin, &format!("v{n}"), &id).await, EXCEEDED);
    }
    assert_eq!(florin.money("b").await, texts("60.00", "0.00", "60.00"));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_hear_the_first_answer_though_nothing_is_left() {
    let florin = started().await;
    let id = florin.held(hold("h", "60")).await;
    let again = florin.authorize(hold("h", "60")).await.unwrap();
    assert!(again.replayed && again.hold.unwrap().id == id);
    refused(florin.authorize(hold("h", "61")).await, Code::Aborted, &["another request"]);

    assert_eq!(capture(&florin, "c1", &id, "20").await, None);
    assert_eq!(capture(&florin, "c3", &id, "").await, None);
    for (key, amount) in [("c1", "20"), ("c3", "")] {
        assert!(florin.capture(key, &id, amount, false).await.unwrap().replayed, "{key}");
    }
    assert_eq!(florin.money("b").await, texts("60.00", "0.00", "60.00"));

    let id = florin.held(hold("h3", "30")).await;
    assert_eq!(void(&florin, "v", &id).await, None);
    assert!(florin.void("v", &id).await.unwrap().replayed);
    assert_eq!(florin.money("a").await, texts("40.00", "0.00", "40.00"));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_final_capture_or_a_void_leaves_is_there_again() {
    let florin = started().await;
    let id = florin.held(hold("h2", "30")).await;
    assert_eq!(done(florin.capture("c6", &id, "10", true).await.unwrap().transaction), None);
    assert_eq!(parts(&florin.hold(&id).await), ["0.00", "10.00", "20.00"]);
    assert_eq!(florin.money("a").await, texts("90.00", "0.00", "90.00"));
    let id = florin.held(hold("h3", "30")).await;
    assert_eq!(void(&florin, "v", &id).await, None);
    assert_eq!(
        (florin.hold(&id).await.status(), florin.money("a").await),
        (pb::HoldStatus::Voided, texts("90.00", "0.00", "90.00"))
    );
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_hold_is_named() {
    let florin = started().await;
    let expiring = |at: &str| pb::AuthorizeHoldRequest { expires_at: at.into(), ..hold("", "1") };
    let of_nobody = pb::AuthorizeHoldRequest { source_account_id: String::new(), ..hold("", "1") };
    for (bad, words) in [
        (expiring("2020-01-01T00:00:00Z"), vec!["expires_at", "future", "366 days"]),
        (expiring("9020-01-01T00:00:00Z"), vec!["expires_at", "366 days"]),
        (expiring("soon"), vec!["expires_at \"soon\""]),
        (hold("", "0.001"), vec!["amount \"0.001\" has more than the 2 decimals of USD"]),
        (hold("", ""), vec!["amount is required"]),
        (of_nobody, vec!["source_account_id is required"]),
    ] {
        refused(florin.authorize(bad).await, Code::InvalidArgument, &words);
    }
    refused(florin.capture("x", "nothing", "1", false).await, Code::NotFound, &["nothing"]);
    refused(florin.void("x", &uuid::Uuid::now_v7().to_string()).await, Code::NotFound, &["Hold"]);
    florin.stop().await;
}
