//! PostTransaction and GetTransaction.

use std::collections::HashMap;

use florin_wire::florin_v1 as pb;
use florin_wire::payment_v1;
use futures::future::join_all;
use tonic::Code;

use super::{code, post, refused};
use crate::harness::Florin;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_several_postings_happens_whole_or_not_at_all() {
    let florin = Florin::start().await;
    for (name, balance) in [("a", 10_00), ("b", 5_00), ("c", 0), ("d", 0)] {
        florin.database.account(name, balance).await;
    }
    let done = florin.move_money("k1", &[("a", "c", "4"), ("b", "c", "5.00"), ("c", "d", "8.5")]).await.unwrap();
    assert_eq!(
        (done.status(), done.kind.as_str(), done.postings[2].amount.as_str()),
        (pb::TransactionStatus::Completed, "transfer", "8.50")
    );
    for (name, balance) in [("a", 6_00), ("b", 0), ("c", 50), ("d", 8_50)] {
        assert_eq!(florin.balance(name).await, balance, "{name}");
    }
    let read = florin
        .native
        .clone()
        .get_transaction(pb::GetTransactionRequest { id: done.id.clone() })
        .await
        .unwrap()
        .into_inner()
        .transaction
        .unwrap();
    assert_eq!(
        (read.postings[2].source_balance_after.as_str(), read.postings[0].destination_balance_after.as_str()),
        ("0.50", "4.00")
    );
    assert_eq!((read.id, read.created_at), (done.id, done.created_at));

    // One leg short: nothing moves, and the key stays free.
    let short = florin.move_money("k2", &[("a", "c", "1"), ("b", "c", "0.01"), ("a", "d", "1")]).await.unwrap();
    assert_eq!(
        (short.status(), code(&short)),
        (pb::TransactionStatus::Declined, Some(pb::DeclineCode::InsufficientFunds))
    );
    assert_eq!((florin.balance("a").await, florin.balance("c").await), (6_00, 50));
    let read = florin
        .native
        .clone()
        .get_transaction(pb::GetTransactionRequest { id: short.id })
        .await
        .unwrap()
        .into_inner()
        .transaction
        .unwrap();
    assert_eq!(
        (read.status(), read.postings.len(), code(&read)),
        (pb::TransactionStatus::Declined, 3, Some(pb::DeclineCode::InsufficientFunds))
    );
    let again = florin.move_money("k2", &[("a", "c", "1")]).await.unwrap();
    assert_eq!(again.status(), pb::TransactionStatus::Completed);

    // Money that only passes through need not be there before.
    let through = florin.move_money("", &[("b", "d", "3"), ("a", "b", "3")]).await.unwrap();
    assert_eq!((through.status(), florin.balance("b").await), (pb::TransactionStatus::Completed, 0));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_replays_its_first_answer_and_refuses_another_request() {
    let florin = Florin::start().await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 100_00).await;
    }
    let metadata: HashMap<String, String> = (0..10).map(|n| (format!("k{n}"), "v".into())).collect();
    let request = pb::PostTransactionRequest {
        kind: "topup".into(),
        reference: "order 7".into(),
        description: "first words".into(),
        metadata: metadata.clone(),
        ..post("key", &[("a", "b", "1.50")])
    };
    let first = florin.post(request.clone()).await.unwrap();
    let repeat = pb::PostTransactionRequest { description: "other words".into(), ..post("key", &[("a", "b", "1.5")]) };
    let repeat = pb::PostTransactionRequest {
        kind: "topup".into(),
        reference: "order 7".into(),
        metadata: metadata.clone(),
        ..repeat
    };
    let again = florin.post(repeat).await.unwrap();
    assert!(!first.replayed && again.replayed);
    let (first, again) = (first.transaction.unwrap(), again.transaction.unwrap());
    assert_eq!(
        (&again.id, &again.created_at, again.description.as_str(), &again.metadata),
        (&first.id, &first.created_at, "first words", &metadata)
    );
    let with = |change: fn(&mut pb::PostTransactionRequest)| {
        let mut request = request.clone();
        change(&mut request);
        request
    };
    for other in [
        with(|r| r.kind = "refund".into()),
        with(|r| r.reference = "order 8".into()),
        with(|r| drop(r.metadata.insert("k0".into(), "w".into()))),
        with(|r| r.postings[0].amount = "1.51".into()),
        with(|r| r.postings[0].destination_account_id = "c".into()),
        with(|r| r.postings.push(post("", &[("a", "b", "1")]).postings.remove(0))),
    ] {
        refused(florin.post(other).await, Code::Aborted, &["used before"]);
    }
    // Another API's keys are others.
    assert_eq!(florin.pay("key", "a", "b", 1_50).await.unwrap().status(), payment_v1::PaymentStatus::Authorized);
    // A hundred at once: one effect.
    let at_once = join_all((0..100).map(|_| florin.post(post("same", &[("c", "b", "2")])))).await;
    assert_eq!(at_once.iter().filter(|answer| !answer.as_ref().unwrap().replayed).count(), 1);
    assert_eq!(florin.balance("c").await, 98_00);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_on_accounts_is_declined_with_its_code() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    florin.database.account("b", 0).await;
    florin.database.account_in("yen", 0, "JPY").await;
    for (postings, expected) in [
        (vec![("a", "b", "10.01")], pb::DeclineCode::InsufficientFunds),
        (vec![("a", "b", "1"), ("a", "nobody", "1")], pb::DeclineCode::AccountNotFound),
        (vec![("a", "b", "0")], pb::DeclineCode::InvalidAmount),
        (vec![("a", "b", "-1")], pb::DeclineCode::InvalidAmount),
        (vec![("a", "b", "1"), ("b", "b", "1")], pb::DeclineCode::SameAccount),
        (vec![("a", "yen", "1")], pb::DeclineCode::CurrencyMismatch),
    ] {
        let answer = florin.move_money("key", &postings).await.unwrap();
        assert_eq!((answer.status(), code(&answer)), (pb::TransactionStatus::Declined, Some(expected)), "{postings:?}");
    }
    assert_eq!(florin.balance("a").await, 10_00);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_checked_and_the_message_names_field_value_and_limit() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    florin.database.account("b", 0).await;
    let with = |change: &dyn Fn(&mut pb::PostTransactionRequest)| {
        let mut request = post("", &[("a", "b", "1"), ("a", "b", "1")]);
        change(&mut request);
        request
    };
    let long = |bytes: usize| "x".repeat(bytes);
    let cases: Vec<(pb::PostTransactionRequest, Vec<&str>)> = vec![
        (with(&|r| r.postings.clear()), vec!["postings is required"]),
        (with(&|r| r.postings = vec![r.postings[0].clone(); 101]), vec!["postings", "101", "100"]),
        (
            with(&|r| r.postings[1].amount = "1.234".into()),
            vec!["postings[1].amount \"1.234\" has more than the 2 decimals of USD"],
        ),
        (with(&|r| r.postings[1].amount = "1e3".into()), vec!["postings[1].amount \"1e3\""]),
        (with(&|r| r.postings[1].amount = String::new()), vec!["postings[1].amount is required"]),
        (with(&|r| r.postings[1].amount = "9".repeat(27)), vec!["postings[1].amount", "28 digits"]),
        (with(&|r| r.postings[1].amount = "0".repeat(100_000)), vec!["postings[1].amount", "100000", "64"]),
        (with(&|r| r.postings[1].currency = "XYZ".into()), vec!["postings[1].currency \"XYZ\""]),
        (with(&|r| r.postings[1].currency = "usd".into()), vec!["postings[1].currency \"usd\""]),
        (with(&|r| r.postings[1].currency = String::new()), vec!["postings[1].currency is required"]),
        (with(&|r| r.postings[1].source_account_id = String::new()), vec!["postings[1].source_account_id is required"]),
        (
            with(&|r| r.postings[1].destination_account_id = long(129)),
            vec!["postings[1].destination_account_id", "129", "128"],
        ),
        (with(&|r| r.idempotency_key = long(256)), vec!["idempotency_key", "256", "255"]),
        (with(&|r| r.reference = long(256)), vec!["reference", "256", "255"]),
        (with(&|r| r.description = long(1_025)), vec!["description", "1025", "1024"]),
        (with(&|r| r.kind = "gift".into()), vec!["kind \"gift\"", "transfer", "topup", "withdrawal"]),
        (with(&|r| r.kind = "account_change".into()), vec!["kind \"account_change\""]),
        (
            with(&|r| r.metadata = (0..51).map(|n| (n.to_string(), String::new())).collect()),
            vec!["metadata", "51", "50"],
        ),
        (with(&|r| drop(r.metadata.insert(long(65), String::new()))), vec!["metadata key", "65", "64"]),
        (with(&|r| drop(r.metadata.insert("k".into(), long(513)))), vec!["metadata[\"k\"]", "513", "512"]),
        (with(&|r| r.metadata = (0..17).map(|n| (n.to_string(), long(512))).collect()), vec!["metadata", "8192"]),
    ];
    for (request, words) in cases {
        refused(florin.post(request).await, Code::InvalidArgument, &words);
    }
    for control in ["\0", "\u{1}", "\n", "\u{7f}", "\u{85}"] {
        let text = || format!("a{control}b");
        let named = format!("U+{:04X}", u32::from(control.chars().next().unwrap()));
        for request in [
            with(&|r| r.idempotency_key = text()),
            with(&|r| r.reference = text()),
            with(&|r| r.description = text()),
            with(&|r| r.postings[0].source_account_id = text()),
            with(&|r| r.postings[0].destination_account_id = text()),
            with(&|r| r.postings[0].currency = text()),
            with(&|r| r.postings[0].amount = text()),
            with(&|r| drop(r.metadata.insert(text(), "v".into()))),
            with(&|r| drop(r.metadata.insert("k".into(), text()))),
        ] {
            refused(florin.post(request).await, Code::InvalidArgument, &[&named]);
        }
        refused(florin.post(with(&|r| r.kind = text())).await, Code::InvalidArgument, &["kind"]);
    }
    // At the limits: accepted.
    let request = pb::PostTransactionRequest {
        idempotency_key: long(255),
        reference: long(255),
        description: long(1_024),
        metadata: (0..14).map(|n| (format!("{n:064}"), "é".repeat(256))).collect(),
        ..with(&|r| r.postings = vec![post("", &[("a", "b", "0.01")]).postings.remove(0); 100])
    };
    assert_eq!(florin.post(request).await.unwrap().transaction.unwrap().status(), pb::TransactionStatus::Completed);
    assert_eq!(florin.balance("b").await, 1_00);
    refused(
        florin.native.clone().get_transaction(pb::GetTransactionRequest { id: "x".into() }).await,
        Code::InvalidArgument,
        &["id \"x\""],
    );
    let unknown = "00000000-0000-7000-8000-000000000000";
    refused(
        florin.native.clone().get_transaction(pb::GetTransactionRequest { id: unknown.into() }).await,
        Code::NotFound,
        &[unknown],
    );
    florin.stop().await;
}

/// Mutation: with balances-after of 28 digits the transaction through `middle` is refused by the database, not by the
/// rules.
#[tokio::test(flavor = "multi_thread")]
async fn amounts_at_their_limit_leave_their_neighbours_alone() {
    let florin = Florin::start().await;
    for name in ["bank", "other", "middle", "far"] {
        florin.open(name, pb::AccountKind::System).await;
    }
    for n in 0..20 {
        florin.database.account(&format!("u{n}"), 10_00).await;
    }
    let max = "99999999999999999999999999.99";
    florin.faults.hold("lane.before_commit");
    let neighbours = (0..20).map(|n| post("", &[(&format!("u{n}"), &format!("u{}", (n + 1) % 20), "1")]));
    let small = join_all(neighbours.map(|request| florin.post(request)));
    let big = async { florin.move_money("", &[("bank", "middle", max)]).await.unwrap() };
    let over = async {
        crate::harness::until("a batch is held", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
        florin.faults.release("lane.before_commit");
    };
    let (small, big, ()) = tokio::join!(small, big, over);
    assert_eq!(big.status(), pb::TransactionStatus::Completed);
    assert!(
        small
            .into_iter()
            .all(|answer| answer.unwrap().transaction.unwrap().status() == pb::TransactionStatus::Completed)
    );
    let middle = florin.account("middle").await;
    assert_eq!((middle.balance.as_str(), florin.account("bank").await.balance), (max, format!("-{max}")));
    // One more would be too much for an account; a neighbour of the same moment is not concerned.
    let (more, less, fine) = tokio::join!(
        florin.move_money("", &[("other", "middle", "0.01")]),
        florin.move_money("", &[("bank", "far", "0.01")]),
        florin.move_money("", &[("u1", "u2", "1")])
    );
    assert_eq!(code(&more.unwrap()), Some(pb::DeclineCode::LimitExceeded));
    assert_eq!(code(&less.unwrap()), Some(pb::DeclineCode::InsufficientFunds));
    assert_eq!(fine.unwrap().status(), pb::TransactionStatus::Completed);
    // In between its postings a balance may pass 28 digits.
    let through = florin.move_money("", &[("other", "middle", max), ("middle", "far", max)]).await.unwrap();
    assert_eq!(through.status(), pb::TransactionStatus::Completed);
    let read = florin
        .native
        .clone()
        .get_transaction(pb::GetTransactionRequest { id: through.id })
        .await
        .unwrap()
        .into_inner()
        .transaction
        .unwrap();
    assert_eq!(read.postings[0].destination_balance_after, "199999999999999999999999999.98");
    florin.stop().await;
}
