//! Refunds and reversals over florin.v1: together they give back what there was, once, also when they race.
//!
//! Mutations that make these fail: a reversal that brings no row of its own; one that counts its own amount and not the
//! original's first posting; a reversed refund that leaves its payment as it was; a chain of undoings of which only the
//! first link is counted.

use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use tonic::{Code, Status};

use crate::gateway::native::{code, post, refused};
use crate::harness::Florin;

const EXCEEDED: Option<pb::DeclineCode> = Some(pb::DeclineCode::RefundExceeded);

impl Florin {
    async fn reverse(&self, key: &str, id: &str) -> Result<pb::ReverseTransactionResponse, Status> {
        let request = pb::ReverseTransactionRequest {
            idempotency_key: key.into(),
            id: id.into(),
            description: "by mistake".into(),
            ..Default::default()
        };
        Ok(self.native.clone().reverse_transaction(request).await?.into_inner())
    }

    async fn refund(&self, key: &str, payment: &str, amount: &str) -> Result<pb::PostTransactionResponse, Status> {
        let postings = if amount.is_empty() { vec![] } else { vec![("b", "a", amount)] };
        self.post(pb::PostTransactionRequest { refund_of: payment.into(), ..post(key, &postings) }).await
    }

    async fn paid(&self, amount: &str) -> String {
        let request = pb::PostTransactionRequest { kind: "payment".into(), ..post("", &[("a", "b", amount)]) };
        self.post(request).await.unwrap().transaction.unwrap().id
    }

    /// A payment and the refund of all of it.
    async fn paid_and_given(&self, amount: &str) -> (String, String) {
        let paid = self.paid(amount).await;
        let refund = self.refund("", &paid, amount).await.unwrap().transaction.unwrap().id;
        (paid, refund)
    }

    /// Undoes it; the reversal.
    async fn undone(&self, id: &str) -> String {
        let reversal = self.reverse("", id).await.unwrap().transaction.unwrap();
        assert_eq!(code(&reversal), None);
        reversal.id
    }

    /// Undoes it; why not.
    async fn undoing(&self, id: &str) -> Option<pb::DeclineCode> {
        refusal(self.reverse("", id).await.unwrap().transaction)
    }

    /// Gives this much of it back; why not.
    async fn refunding(&self, payment: &str, amount: &str) -> Option<pb::DeclineCode> {
        refusal(self.refund("", payment, amount).await.unwrap().transaction)
    }

    async fn balances(&self) -> (String, String) {
        (self.account("a").await.balance, self.account("b").await.balance)
    }
}

async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    florin
}

fn texts(a: &str, b: &str) -> (String, String) {
    (a.into(), b.into())
}

fn refusal(transaction: Option<pb::Transaction>) -> Option<pb::DeclineCode> {
    code(&transaction.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_back_in_parts_or_whole_and_once() {
    let florin = started().await;
    let paid = florin.paid("60").await;
    let part = florin.refund("r1", &paid, "20").await.unwrap().transaction.unwrap();
    assert_eq!((part.kind.as_str(), part.refund_of.as_str()), ("refund", paid.as_str()));
    assert_eq!(florin.refunding(&paid, "40.01").await, EXCEEDED);
    assert_eq!(florin.undoing(&paid).await, EXCEEDED, "a part is back already");
    let rest = florin.refund("r2", &paid, "").await.unwrap().transaction.unwrap();
    assert_eq!(rest.postings[0].amount, "40.00");
    assert_eq!(florin.balances().await, texts("100.00", "0.00"));
    let again = florin.refund("r2", &paid, "").await.unwrap();
    assert!(again.replayed && again.transaction.unwrap().id == rest.id);
    assert_eq!(florin.refunding(&paid, "").await, EXCEEDED);
    refused(florin.refund("r2", &paid, "1").await, Code::Aborted, &["another request"]);

    let wrong = |change: fn(&mut pb::PostTransactionRequest), to: &str| {
        let mut request = pb::PostTransactionRequest { refund_of: to.into(), ..post("", &[("b", "a", "1")]) };
        change(&mut request);
        florin.post(request)
    };
    refused(wrong(|r| r.kind = "topup".into(), &paid).await, Code::InvalidArgument, &["kind \"topup\" is not refund"]);
    refused(
        wrong(|r| r.postings.push(r.postings[0].clone()), &paid).await,
        Code::InvalidArgument,
        &["postings has 2 entries"],
    );
    refused(
        wrong(|r| r.postings[0].source_account_id = "c".into(), &paid).await,
        Code::InvalidArgument,
        &["goes from \"c\" to \"a\"", "from \"b\" to \"a\""],
    );
    refused(wrong(|_| (), "no uuid").await, Code::InvalidArgument, &["refund_of \"no uuid\" is not a UUID"]);
    refused(wrong(|_| (), "01929b2a-0000-7000-8000-000000000000").await, Code::NotFound, &["declined: 01929b2a"]);
    refused(wrong(|_| (), &part.id).await, Code::FailedPrecondition, &["gives back itself"]);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_postings_are_undone_last_first_and_once() {
    let florin = started().await;
    florin.database.account("c", 0).await;
    // The second of them could not be undone first.
    let many = florin.move_money("", &[("a", "b", "50"), ("b", "c", "30"), ("b", "c", "5")]).await.unwrap().id;
    let undone = florin.reverse("u", &many).await.unwrap().transaction.unwrap();
    let moved: Vec<_> =
        undone.postings.iter().map(|p| (&*p.source_account_id, &*p.destination_account_id, &*p.amount)).collect();
    assert_eq!(moved, [("c", "b", "5.00"), ("c", "b", "30.00"), ("b", "a", "50.00")]);
    assert_eq!(
        (undone.kind.as_str(), undone.reverses.as_str(), undone.description.as_str()),
        ("reversal", many.as_str(), "by mistake")
    );
    assert_eq!(florin.balances().await, texts("100.00", "0.00"));
    let again = florin.reverse("u", &many).await.unwrap();
    assert!(
        again.replayed
            && again.transaction.as_ref().unwrap().id == undone.id
            && again.transaction.unwrap().reverses == many
    );
    assert_eq!(florin.undoing(&many).await, EXCEEDED);

    // The reversal is a transaction like any other: undone, the first may be undone again.
    florin.undone(&undone.id).await;
    assert_eq!(florin.balances().await, texts("50.00", "15.00"));
    assert_eq!(florin.undoing(&many).await, None);
    assert_eq!(florin.balances().await, texts("100.00", "0.00"));
    florin.stop().await;
}

/// What is not in force may not be undone, and what is undone may not come back twice.
#[tokio::test(flavor = "multi_thread")]
async fn undone_as_often_as_you_like_a_transaction_is_in_force_or_it_is_not() {
    let florin = started().await;
    let first = florin.move_money("", &[("a", "b", "10")]).await.unwrap().id;
    let mut last = first.clone();
    for link in 1..=5 {
        last = florin.undone(&last).await;
        let (is_in_force, again) = (link % 2 == 0, florin.reverse("", &first).await.unwrap().transaction);
        assert_eq!(refusal(again.clone()), if is_in_force { None } else { EXCEEDED }, "link {link}");
        if is_in_force {
            florin.reverse("", &again.unwrap().id).await.unwrap(); // as it was
        }
        let stands = if is_in_force { texts("90.00", "10.00") } else { texts("100.00", "0.00") };
        assert_eq!(florin.balances().await, stands, "link {link}");
    }
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_counts_while_it_is_in_force_and_comes_back_only_if_nothing_else_was_given() {
    let florin = started().await;
    // Undone and in force again, it counts again.
    let (paid, refund) = florin.paid_and_given("10").await;
    let undone = florin.undone(&refund).await;
    assert_eq!(florin.undoing(&undone).await, None);
    assert_eq!(florin.refunding(&paid, "1").await, EXCEEDED);
    assert_eq!(florin.balances().await, texts("100.00", "0.00"));
    // Given back otherwise meanwhile, it does not come back by undoing what had undone it.
    let (paid, refund) = florin.paid_and_given("10").await;
    let undone = florin.undone(&refund).await;
    florin.refund("", &paid, "4").await.unwrap();
    florin.move_money("", &[("a", "b", "10")]).await.unwrap(); // the money would be there
    assert_eq!(florin.undoing(&undone).await, EXCEEDED);
    assert_eq!(florin.balances().await, texts("84.00", "16.00"));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_refunded_again_when_its_refund_is_taken_back_and_not_once_it_is_reversed() {
    let florin = started().await;
    let (paid, refund) = florin.paid_and_given("60").await;
    assert_eq!(florin.undoing(&refund).await, None);
    assert_eq!(florin.balances().await, texts("40.00", "60.00"));
    assert_eq!(florin.refunding(&paid, "10").await, None);
    let paid = florin.paid("10").await;
    assert_eq!(florin.undoing(&paid).await, None);
    assert_eq!(florin.refunding(&paid, "1").await, EXCEEDED);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_or_never_moved_is_not_undone() {
    let florin = started().await;
    florin.database.account("c", 0).await;
    let paid = florin.paid("50").await;
    florin.move_money("", &[("b", "c", "40")]).await.unwrap();
    assert_eq!(florin.undoing(&paid).await, Some(pb::DeclineCode::InsufficientFunds));
    let held = pb::AuthorizeHoldRequest {
        source_account_id: "b".into(),
        destination_account_id: "a".into(),
        amount: "1".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    let held = florin.native.clone().authorize_hold(held).await.unwrap().into_inner().hold.unwrap().id;
    let table: [(&str, Code, &[&str]); 3] = [
        ("01929b2a-0000-7000-8000-000000000000", Code::NotFound, &["declined: 01929b2a"]),
        ("x", Code::InvalidArgument, &["id \"x\" is not a UUID"]),
        (&held, Code::FailedPrecondition, &["is a hold", "moved no money"]),
    ];
    for (id, status, words) in table {
        refused(florin.reverse("", id).await, status, words);
    }
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_a_reversal_that_race_give_back_no_more_than_there_was() {
    let florin = started().await;
    florin.database.account("other", 1_000_00).await;
    // more than is to go back: only the count stands in the way
    florin.move_money("", &[("other", "b", "1000")]).await.unwrap();
    for round in 0..10 {
        let paid = florin.paid("10").await;
        let refunds = join_all((0..3).map(|_| florin.refund("", &paid, "6")));
        let (refunds, reversals) = tokio::join!(refunds, join_all((0..2).map(|_| florin.reverse("", &paid))));
        let done = |transaction: Option<pb::Transaction>| match refusal(transaction) {
            None => true,
            Some(pb::DeclineCode::RefundExceeded) => false,
            other => panic!("{other:?}"),
        };
        let refunds = refunds.into_iter().filter(|answer| done(answer.clone().unwrap().transaction)).count();
        let reversals = reversals.into_iter().filter(|answer| done(answer.clone().unwrap().transaction)).count();
        assert!(
            (refunds, reversals) == (1, 0) || (refunds, reversals) == (0, 1),
            "round {round}: {refunds} refunds and {reversals} reversals"
        );
        if refunds == 1 {
            assert_eq!(florin.refunding(&paid, "").await, None);
        }
        assert_eq!(florin.balances().await, texts("100.00", "1000.00"));
    }
    florin.stop().await;
}
