//! Holds over REST: authorize, capture in parts, void, read, list.
//!
//! Tests of faults name the mutation of the product that makes them fail.

mod listing;
mod steps;

use florin_wire::florin_v1 as pb;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::{World, key, text, with};
use super::{hold, transaction};
use crate::harness::until;

fn in_days(days: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::days(days)).to_rfc3339()
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_are_refused_in_the_words_of_the_contract() {
    let world = World::native().await;
    world.served.database.account_in("eva", 0, "EUR").await;
    let post = async |body: Value| world.post("/v1/holds", &body).await;
    post(hold("ann", "shop", "100.01")).await.refused(
        400,
        "INSUFFICIENT_FUNDS",
        "Insufficient funds in account ann. Available: 100.00, Required: 100.01",
    );
    post(hold("ann", "nobody", "1")).await.refused(404, "ACCOUNT_NOT_FOUND", "Account not found: nobody");
    post(hold("nobody", "shop", "1")).await.refused(404, "ACCOUNT_NOT_FOUND", "Account not found: nobody");
    post(hold("ann", "eva", "1")).await.refused(400, "CURRENCY_MISMATCH", "Currency mismatch. Expected: EUR, Got: USD");
    post(hold("ann", "ann", "1")).await.refused(400, "SAME_ACCOUNT", "Cannot transfer to same account");
    post(with(&hold("ann", "shop", "1"), json!({ "currency": "XYZ" }))).await.refused(
        400,
        "INVALID_ARGUMENT",
        "currency \"XYZ\" is not a currency of this ledger",
    );
    let (made, unknown) = (world.held("50").await, key());
    for id in [unknown.as_str(), "no-uuid", "%00"] {
        world.step(id, "capture", json!({})).await.refused_naming(404, "HOLD_NOT_FOUND", &["not found"]);
        world.step(id, "void", json!({})).await.refused_naming(404, "HOLD_NOT_FOUND", &["not found"]);
        world.get(&format!("/v1/holds/{id}")).await.refused_naming(404, "HOLD_NOT_FOUND", &["not found"]);
    }
    // Who is to be paid must be able to be, when it comes to that.
    world.patch("/v1/accounts/shop/limits", &json!({ "maxBalance": "10" })).await.ok(200);
    world.step(&made, "capture", json!({ "amount": "10.01" })).await.refused_naming(400, "LIMIT_EXCEEDED", &["shop"]);
    world.patch("/v1/accounts/shop/status", &json!({ "status": "suspended" })).await.ok(200);
    let told = "Account shop is not active (current status: suspended)";
    world.step(&made, "capture", json!({ "amount": "1" })).await.refused(400, "ACCOUNT_INACTIVE", told);
    world.patch("/v1/accounts/ann/status", &json!({ "status": "suspended" })).await.ok(200);
    post(hold("ann", "shop", "1")).await.refused_naming(400, "ACCOUNT_INACTIVE", &["ann"]);
    world.step(&made, "void", json!({})).await.ok(201); // a void is always admitted
    // A refusal binds no key.
    let keyed = with(&hold("ann", "shop", "1"), json!({ "idempotencyKey": "k" }));
    post(keyed.clone()).await.refused_naming(400, "ACCOUNT_INACTIVE", &[]);
    world.patch("/v1/accounts/ann/status", &json!({ "status": "active" })).await.ok(200);
    assert_eq!(post(keyed).await.ok(201)["replayed"], false);
    world.end().await;
}

/// What is said of an amount that is none.
const AMOUNT: &str = "amount must be a positive decimal amount (e.g., \"10.50\")";

/// Mutations: a field that is read past its bounds; a fault that hides the others; a metadata value that is no text.
#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_of_holds_are_named() {
    let world = World::native().await;
    let (good, long) = (hold("ann", "shop", "1"), "x".repeat(300));
    let bad = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let table: Vec<(Value, &[&str])> = vec![
        (
            json!({}),
            &["sourceAccountId is required", "destinationAccountId is required", AMOUNT, "currency is required"],
        ),
        (bad("sourceAccountId", json!("")), &["sourceAccountId should not be empty"]),
        (bad("sourceAccountId", json!(long)), &["sourceAccountId", "300 bytes", "128"]),
        (bad("destinationAccountId", json!("a\u{0}")), &["destinationAccountId", "U+0000"]),
        (bad("destinationAccountId", json!(7)), &["destinationAccountId must be a string"]),
        (bad("amount", json!("0")), &[AMOUNT]),
        (bad("amount", json!("-1")), &[AMOUNT]),
        (bad("amount", json!("1e2")), &[AMOUNT]),
        (bad("amount", json!("1.005")), &["amount \"1.005\" has more than the 2 decimals of USD"]),
        (bad("amount", json!("9".repeat(40))), &["amount", "28 digits"]),
        (bad("currency", json!("usd")), &["currency \"usd\" is not a currency of this ledger"]),
        (bad("currency", json!([])), &["currency must be a string"]),
        (bad("expiresAt", json!("tomorrow")), &["expiresAt \"tomorrow\" is not a time"]),
        (bad("expiresAt", json!("2020-01-01T00:00:00Z")), &["expiresAt", "must be in the future, by at most 366 days"]),
        (bad("expiresAt", json!(in_days(367))), &["expiresAt", "366 days"]),
        (bad("expiresAt", json!(5)), &["expiresAt must be a string"]),
        (bad("idempotencyKey", json!("")), &["idempotencyKey should not be empty"]),
        (bad("idempotencyKey", json!(long)), &["idempotencyKey", "300 bytes", "255"]),
        (bad("reference", json!(long)), &["reference", "255"]),
        (bad("description", json!("x".repeat(1_025))), &["description", "1025 bytes", "1024"]),
        (bad("metadata", json!("x")), &["metadata must be an object of strings"]),
        (bad("metadata", json!({ "a": 1 })), &["metadata must be an object of strings"]),
        (bad("metadata", json!({ "a": "x".repeat(513) })), &["metadata", "513 bytes", "512"]),
        (bad("zzz", json!(1)), &["property zzz should not exist"]),
    ];
    world.each_is_bad(Method::POST, "/v1/holds", &table).await;
    let id = world.held("1").await;
    let table: Vec<(Value, &[&str])> = vec![
        (json!({ "amount": "0" }), &[AMOUNT]),
        (json!({ "amount": "1.001" }), &["amount \"1.001\" has more than the 2 decimals of USD"]),
        (json!({ "final": "yes" }), &["final must be true or false"]),
        (
            json!({ "idempotencyKey": 1, "reference": [] }),
            &["idempotencyKey must be a string", "reference must be a string"],
        ),
        (json!({ "currency": "USD" }), &["property currency should not exist"]),
    ];
    world.each_is_bad(Method::POST, &format!("/v1/holds/{id}/capture"), &table).await;
    world
        .each_is_bad(
            Method::POST,
            &format!("/v1/holds/{id}/void"),
            &[(json!({ "amount": "1" }), &["property amount should not exist"])],
        )
        .await;
    for (query, words) in [
        ("", vec!["accountId is required"]),
        ("?accountId=", vec!["accountId is required"]),
        ("?accountId=ann&status=done", vec!["status must be one of the following values: open, captured, voided"]),
        ("?accountId=ann&limit=0", vec!["limit", "1 to 1000"]),
        ("?accountId=ann&limit=1001", vec!["limit", "1 to 1000"]),
        ("?accountId=ann&pageToken=x", vec!["pageToken \"x\" is not a token of this query"]),
    ] {
        world.get(&format!("/v1/holds{query}")).await.refused_naming(400, "INVALID_ARGUMENT", &words);
    }
    world.get("/v1/holds?accountId=nobody").await.refused(404, "ACCOUNT_NOT_FOUND", "Account not found: nobody");
    assert_eq!(world.money("ann").await[1], "1.00");
    world.end().await;
}

/// Mutation: a time that has passed refused whoever asks: a repeat is told "no" of what was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_comes_after_the_hold_expired_hears_the_first_answer() {
    let world = World::native().await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::milliseconds(1_500)).to_rfc3339();
    let body = with(&hold("ann", "shop", "60"), json!({ "idempotencyKey": "h", "expiresAt": soon }));
    let made = world.post("/v1/holds", &body).await.ok(201);
    let path = format!("/v1/holds/{}", text(&made["hold"]["id"]));
    until("it has expired", async || world.get(&path).await.ok(200)["status"] == "voided").await;
    assert_eq!(world.post("/v1/holds", &body).await.ok(201), with(&made, json!({ "replayed": true })));
    for other in [json!({ "idempotencyKey": "new" }), json!({ "idempotencyKey": null })] {
        world.post("/v1/holds", &with(&body, other)).await.refused_naming(
            400,
            "INVALID_ARGUMENT",
            &["expiresAt", "must be in the future"],
        );
    }
    world.post("/v1/holds", &with(&body, json!({ "amount": "61" }))).await.refused_naming(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        &[],
    );
    assert_eq!(world.money("ann").await, ["100.00", "0.00", "100.00"]);
    world.end().await;
}

/// Mutations: what is left of a hold is read before and not guarded where it is taken (both succeed); a guard's refusal
/// taken for a fault of ours (500).
#[tokio::test(flavor = "multi_thread")]
async fn of_a_capture_and_a_void_at_the_same_moment_one_wins_and_the_other_is_told() {
    let world = World::native().await;
    let faults = &world.served.faults;
    world.held("50").await; // so that it is the hold that runs out, not what the account holds
    let depth = || world.served.runtime.ledger.parts().node.active().unwrap().journal.depth();
    for round in 0..4 {
        let id = world.held("10").await;
        faults.hold("lane.before_commit");
        let capture = world.step(&id, "capture", json!({ "idempotencyKey": format!("c{round}"), "amount": "10" }));
        let void = world.step(&id, "void", json!({ "idempotencyKey": format!("v{round}") }));
        let release = async {
            until("both have read the hold and are in the journal", || async { depth() == 2 }).await;
            faults.release("lane.before_commit");
        };
        let (capture, void, ()) = tokio::join!(capture, void, release);
        let (won, lost) = if capture.status == 201 { (&capture, &void) } else { (&void, &capture) };
        assert_eq!(won.status, 201, "{}", won.text);
        lost.refused_naming(409, "HOLD_EXCEEDED", &[&id]);
        let over = world.get(&format!("/v1/holds/{id}")).await.ok(200);
        assert_eq!(
            (&over["remaining"], &over["status"]),
            (&json!("0.00"), &json!(if capture.status == 201 { "captured" } else { "voided" }))
        );
    }
    assert_eq!(world.money("ann").await[1], "50.00");
    world.end().await;
}

/// Mutation: REST with a scope of its own, or with another hash of the same request.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_over_grpc_is_used_over_rest() {
    let world = World::native().await;
    let mut grpc = world.grpc().await;
    let until = in_days(1);
    let request = pb::AuthorizeHoldRequest {
        idempotency_key: "h".into(),
        source_account_id: "ann".into(),
        destination_account_id: "shop".into(),
        amount: "60".into(),
        currency: "USD".into(),
        expires_at: until.clone(),
        reference: "r".into(),
        description: "first".into(),
        metadata: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
    };
    let made = grpc.authorize_hold(request.clone()).await.unwrap().into_inner().hold.unwrap();
    let body = with(
        &hold("ann", "shop", "60.00"),
        json!({ "idempotencyKey": "h", "expiresAt": until, "reference": "r", "metadata": { "a": "1", "b": "2" } }),
    );
    let again = world.post("/v1/holds", &body).await.ok(201);
    assert_eq!((&again["hold"]["id"], &again["replayed"]), (&json!(made.id), &json!(true)));
    let taken = grpc
        .capture_hold(pb::CaptureHoldRequest {
            idempotency_key: "c".into(),
            hold_id: made.id.clone(),
            amount: "10".into(),
            r#final: true,
            reference: "x".into(),
        })
        .await
        .unwrap()
        .into_inner();
    let again = world
        .step(&made.id, "capture", json!({ "idempotencyKey": "c", "amount": 10.00, "final": true, "reference": "x" }))
        .await
        .ok(201);
    assert_eq!(
        (&again["transaction"]["id"], &again["replayed"]),
        (&json!(taken.transaction.unwrap().id), &json!(true))
    );
    // And the other way round.
    let id = world.held("5").await;
    let voided = world.step(&id, "void", json!({ "idempotencyKey": "v" })).await.ok(201);
    let again = grpc
        .void_hold(pb::VoidHoldRequest { idempotency_key: "v".into(), hold_id: id, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert!(again.replayed && voided["transaction"]["id"] == again.transaction.unwrap().id);
    let body = with(
        &transaction(&[("ann", "shop", "1"), ("shop", "ann", "0.5")]),
        json!({ "idempotencyKey": "t", "kind": "fee", "description": "words do not count" }),
    );
    let posted = world.post("/v1/transactions", &body).await.ok(201);
    let posting = |debit: &str, credit: &str, amount: &str| pb::Posting {
        source_account_id: debit.into(),
        destination_account_id: credit.into(),
        amount: amount.into(),
        currency: "USD".into(),
        ..pb::Posting::default()
    };
    let postings = vec![posting("ann", "shop", "1.00"), posting("shop", "ann", "0.50")];
    let same =
        pb::PostTransactionRequest { idempotency_key: "t".into(), kind: "fee".into(), postings, ..Default::default() };
    let again = grpc.post_transaction(same.clone()).await.unwrap().into_inner();
    assert!(again.replayed && posted["transaction"]["id"] == again.transaction.unwrap().id);
    let other = pb::PostTransactionRequest { kind: "transfer".into(), ..same };
    assert_eq!(grpc.post_transaction(other).await.unwrap_err().code(), tonic::Code::Aborted);
    let limits = json!({ "minBalance": "-5", "maxBalance": null, "idempotencyKey": "l" });
    world.patch("/v1/accounts/ann/limits", &limits).await.ok(200);
    let amount = Some("-5.00".to_owned());
    let same = pb::UpdateAccountRequest {
        id: "ann".into(),
        idempotency_key: "l".into(),
        min_balance: Some(pb::Limit { amount }),
        max_balance: Some(pb::Limit::default()),
        ..Default::default()
    };
    assert!(grpc.update_account(same).await.unwrap().into_inner().account.unwrap().within_limits);
    world.end().await;
}
