//! What a hold goes through: authorized, captured in parts, let go; and each of these asked again.

use serde_json::{Value, json};

use super::super::super::shown::shown;
use super::super::super::{World, has, text, with};
use super::super::hold;
use super::in_days;

/// A hold of 60 dollars with every field.
fn room() -> Value {
    with(
        &hold("ann", "shop", "60"),
        json!({ "idempotencyKey": "room 7", "reference": "r-7", "description": "A room", "metadata": { "nights": "2" } }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_money_back_and_reads_back_as_a_transaction_of_its_own() {
    let world = World::native().await;
    let made = world.post("/v1/holds", &room()).await.ok(201);
    let id = text(&made["hold"]["id"]);
    insta::assert_json_snapshot!(shown(&made["hold"], &[("hold", &id)]), @r#"
    {
      "amount": "60.00",
      "captured": "0.00",
      "currency": "USD",
      "destinationAccountId": "shop",
      "expiresAt": "[time]",
      "id": "[hold]",
      "remaining": "60.00",
      "sourceAccountId": "ann",
      "status": "open",
      "voided": "0.00"
    }
    "#);
    assert_eq!(world.money("ann").await, ["100.00", "60.00", "40.00"]);
    let read = world.get(&format!("/v1/transactions/{id}")).await.ok(200);
    assert_eq!(
        (&read["kind"], &read["reference"], &read["metadata"]),
        (&json!("hold"), &json!("r-7"), &json!({ "nights": "2" })),
        "{read}"
    );
    assert_eq!((&made["transaction"], &made["replayed"]), (&read, &json!(false)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_captured_in_parts_and_the_final_one_lets_go_of_the_rest() {
    let world = World::native().await;
    let id = world.held("60").await;
    let answer = world.step(&id, "capture", json!({ "amount": 20, "idempotencyKey": "c1" })).await.ok(201);
    let captured = &answer["transaction"];
    assert_eq!(
        (&captured["kind"], &captured["status"], &answer["replayed"]),
        (&json!("capture"), &json!("completed"), &json!(false)),
        "{captured}"
    );
    assert_eq!(captured["postings"][0]["amount"], "20.00", "{captured}");
    has(captured, "id idempotencyKey reference description metadata correlationId createdAt decline");
    assert_eq!(
        (world.money("ann").await, world.money("shop").await),
        (["80.00", "40.00", "40.00"].map(str::to_owned), ["20.00", "0.00", "20.00"].map(str::to_owned))
    );
    world.step(&id, "capture", json!({ "amount": "40.01" })).await.refused_naming(409, "HOLD_EXCEEDED", &[&id]);
    world.step(&id, "capture", json!({ "amount": "10", "final": true })).await.ok(201);
    let over = world.get(&format!("/v1/holds/{id}")).await.ok(200);
    assert_eq!(
        (&over["status"], &over["captured"], &over["voided"], &over["remaining"]),
        (&json!("captured"), &json!("30.00"), &json!("30.00"), &json!("0.00"))
    );
    assert_eq!(world.money("ann").await, ["70.00", "0.00", "70.00"]);
    for (what, body) in [("capture", json!({})), ("capture", json!({ "amount": "0.01" })), ("void", json!({}))] {
        world.step(&id, what, body).await.refused_naming(409, "HOLD_EXCEEDED", &[&id]);
    }
    // Capturing without an amount takes what is left.
    let whole = world.held("5").await;
    assert_eq!(world.step(&whole, "capture", json!({})).await.ok(201)["transaction"]["postings"][0]["amount"], "5.00");
    world.end().await;
}

// Fails when a void of what was voided already is a decline.
#[tokio::test(flavor = "multi_thread")]
async fn a_voided_hold_gives_all_of_it_back() {
    let world = World::native().await;
    let id = world.held("70").await;
    let body = json!({ "idempotencyKey": "v1", "reference": "no show" });
    let voided = world.step(&id, "void", body.clone()).await.ok(201);
    let transaction = &voided["transaction"];
    assert_eq!(
        (&transaction["kind"], &transaction["postings"], &transaction["reference"]),
        (&json!("void"), &json!([]), &json!("no show")),
        "{voided}"
    );
    let keyed = json!({ "idempotencyKey": "v2", "reference": "once more" });
    for again in [body, json!({}), keyed.clone(), keyed] {
        assert_eq!(world.step(&id, "void", again).await.ok(201), with(&voided, json!({ "replayed": true })));
    }
    world.step(&id, "capture", json!({})).await.refused_naming(409, "HOLD_EXCEEDED", &[&id]);
    assert_eq!(world.get(&format!("/v1/holds/{id}")).await.ok(200)["status"], "voided");
    assert_eq!(world.money("ann").await, ["100.00", "0.00", "100.00"]);
    world.end().await;
}

/// Though nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn repeats_hear_the_first_answer_and_anything_else_under_their_key_is_refused() {
    let world = World::native().await;
    let made = world.post("/v1/holds", &room()).await.ok(201);
    let id = text(&made["hold"]["id"]);
    let captured = world.step(&id, "capture", json!({ "amount": 20, "idempotencyKey": "c1" })).await.ok(201);
    world.step(&id, "capture", json!({ "amount": "10", "final": true })).await.ok(201);

    let again = world.post("/v1/holds", &room()).await.ok(201);
    assert_eq!(again, with(&made, json!({ "replayed": true })), "as it was authorized");
    let again = world.step(&id, "capture", json!({ "amount": "20.00", "idempotencyKey": "c1" })).await.ok(201);
    assert_eq!((&again["transaction"]["id"], &again["replayed"]), (&captured["transaction"]["id"], &json!(true)));
    for other in [
        json!({ "amount": "61" }),
        json!({ "reference": "other" }),
        json!({ "metadata": null }),
        json!({ "expiresAt": in_days(3) }),
    ] {
        world.post("/v1/holds", &with(&room(), other)).await.refused(
            409,
            "IDEMPOTENCY_KEY_REUSED",
            "the idempotency key was used before by another request",
        );
    }
    for (what, body) in [
        ("capture", json!({ "amount": "20.01", "idempotencyKey": "c1" })),
        ("capture", json!({ "idempotencyKey": "c1" })),
        ("void", json!({ "idempotencyKey": "c1" })),
    ] {
        world.step(&id, what, body).await.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    }
    // Without a key each call is a hold of its own.
    assert_ne!(world.held("1").await, world.held("1").await);
    assert_eq!(world.money("ann").await[1], "2.00");
    world.end().await;
}
