//! Refunds and reversals over REST; and how the accounts REST API shows what was reversed.

use serde_json::{Value, json};

use super::super::client::Answer;
use super::super::{World, text, with};
use super::transaction;

impl World {
    /// The id of a new transaction from ann to the shop.
    async fn given(&self, amount: &str, kind: &str) -> String {
        let body = with(&transaction(&[("ann", "shop", amount)]), json!({ "kind": kind }));
        text(&self.post("/v1/transactions", &body).await.ok(201)["transaction"]["id"])
    }

    /// Refunds or reverses it.
    async fn give_back(&self, what: &str, id: &str, body: Value) -> Answer {
        self.post(&format!("/v1/transactions/{id}/{what}"), &body).await
    }

    /// The audit finds nothing wrong with it.
    async fn agrees(&self, id: &str) {
        let audited = self.post(&format!("admin/transactions/{id}/reconcile"), &json!({})).await.ok(200);
        assert_eq!(audited["match"], json!(true), "{audited}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_back_in_parts_and_no_more_than_it_was() {
    let world = World::native().await;
    let paid = world.given("60", "payment").await;
    let refund = async |body: Value| world.give_back("refund", &paid, body).await;
    let part = refund(json!({ "amount": "20", "idempotencyKey": "r" })).await.ok(201);
    let given = &part["transaction"];
    assert_eq!(
        (&given["kind"], &given["refundOf"], &given["reverses"]),
        (&json!("refund"), &json!(paid), &json!(null))
    );
    let again = refund(json!({ "amount": 20, "idempotencyKey": "r" })).await.ok(201);
    assert_eq!(
        (&again["replayed"], &again["transaction"]["id"], &again["transaction"]["refundOf"]),
        (&json!(true), &given["id"], &json!(paid))
    );
    refund(json!({ "amount": "40.01" })).await.refused_naming(409, "REFUND_EXCEEDED", &[&paid]);
    world.give_back("reverse", &paid, json!({})).await.refused_naming(409, "REFUND_EXCEEDED", &[&paid]);
    refund(json!({})).await.ok(201);
    assert_eq!(world.money("ann").await[0], "100.00");
    world.agrees(&paid).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_is_a_cancellation_in_the_accounts_api() {
    let world = World::native().await;
    let given = world.given("5", "transfer").await;
    let body = json!({ "description": "by mistake", "idempotencyKey": "u" });
    let undone = world.give_back("reverse", &given, body).await.ok(201)["transaction"].clone();
    assert_eq!(
        (&undone["kind"], &undone["reverses"], &undone["refundOf"]),
        (&json!("reversal"), &json!(given), &json!(null))
    );
    let undone = text(&undone["id"]);
    let (original, opposite) = (world.transaction(&given).await, world.transaction(&undone).await);
    assert_eq!(
        (&original["status"], &opposite["type"], &opposite["status"]),
        (&json!("cancelled"), &json!("cancellation"), &json!("completed"))
    );
    assert_eq!(opposite["originalPaymentId"], json!(given));
    for (filter, found) in [("status=cancelled", &given), ("type=cancellation", &undone)] {
        let listed = world.get(&format!("transactions?accountId=ann&{filter}")).await.ok(200);
        assert_eq!(
            listed.as_array().unwrap().iter().map(|row| text(&row["id"])).collect::<Vec<_>>(),
            std::slice::from_ref(found),
            "{filter}"
        );
    }
    world.agrees(&given).await;
    world.agrees(&undone).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_undone_or_undoes_is_not_given_back() {
    let world = World::native().await;
    let given = world.given("5", "transfer").await;
    let undone = text(&world.give_back("reverse", &given, json!({})).await.ok(201)["transaction"]["id"]);
    let unknown = "01929b2a-0000-7000-8000-000000000000";
    for (what, id, status, code, word) in [
        ("refund", "x", 404, "TRANSACTION_NOT_FOUND", "x"),
        ("reverse", "x", 404, "TRANSACTION_NOT_FOUND", "x"),
        ("refund", unknown, 404, "TRANSACTION_NOT_FOUND", unknown),
        ("reverse", unknown, 404, "TRANSACTION_NOT_FOUND", unknown),
        ("reverse", given.as_str(), 409, "REFUND_EXCEEDED", given.as_str()),
        ("refund", undone.as_str(), 400, "FAILED_PRECONDITION", "reverse it instead"),
    ] {
        world.give_back(what, id, json!({})).await.refused_naming(status, code, &[word]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_capture_paid_is_given_back_like_a_payment_by_either_api() {
    let world = World::native().await;
    let held = world.held("10").await;
    let captured = text(&world.step(&held, "capture", json!({})).await.ok(201)["transaction"]["id"]);
    let back = json!({ "originalPaymentId": captured, "refundAmount": "4", "currency": "USD" });
    world.post("transactions/refund", &back).await.ok(201);
    let too_much = world.give_back("refund", &captured, json!({ "amount": "6.01" })).await;
    too_much.refused_naming(409, "REFUND_EXCEEDED", &[&captured]);
    world.give_back("refund", &captured, json!({})).await.ok(201);
    assert_eq!(world.transaction(&captured).await["status"], "refunded");
    world.end().await;
}
