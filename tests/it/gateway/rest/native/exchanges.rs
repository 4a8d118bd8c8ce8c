//! Exchange, rates, refunds and reversals over REST; and how the accounts REST API shows what was reversed.

use florin_wire::florin_v1 as pb;
use reqwest::Method;
use serde_json::json;

use super::super::{World, text, with};
use super::{hold, transaction};

#[tokio::test(flavor = "multi_thread")]
async fn money_is_exchanged_at_a_rate_that_was_written_down() {
    let world = World::native().await;
    let new = json!({ "accountType": "user", "ownerId": "eve", "ownerType": "person", "currency": "EUR" });
    let eve = text(&world.post("accounts", &new).await.ok(201)["id"]);
    let asked = with(&hold("ann", &eve, "10.10"), json!({ "destinationCurrency": "EUR", "idempotencyKey": "x" }));
    world.post("/v1/exchanges", &asked).await.refused_naming(400, "FAILED_PRECONDITION", &["no rate from USD to EUR"]);
    let rate = json!({ "base": "USD", "quote": "EUR", "rate": "0.92155", "source": "desk", "reason": "the morning's" });
    let rate = world.post("/v1/rates", &rate).await.ok(201);
    assert_eq!((&rate["rate"], &rate["source"]), (&json!("0.92155"), &json!("desk")));
    let answer = world.post("/v1/exchanges", &asked).await.ok(201);
    let done = &answer["transaction"];
    assert_eq!(
        (&done["kind"], &answer["replayed"], &done["rate"]["rateId"], &done["rate"]["rounding"]),
        (&json!("fx"), &json!(false), &rate["id"], &json!("half_even"))
    );
    // 9.307655
    assert_eq!((&done["postings"][0]["amount"], &done["postings"][1]["amount"]), (&json!("10.10"), &json!("9.31")));
    assert_eq!((world.money("ann").await[0].as_str(), world.money(&eve).await[0].as_str()), ("89.90", "9.31"));
    let again = world.post("/v1/exchanges", &asked).await.ok(201);
    assert_eq!(again["replayed"], true);
    let again = &again["transaction"];
    assert_eq!((&again["id"], &again["rate"]), (&done["id"], &done["rate"]));
    let same = pb::ExchangeRequest {
        idempotency_key: "x".into(),
        source_account_id: "ann".into(),
        destination_account_id: eve.clone(),
        amount: "10.1".into(),
        currency: "USD".into(),
        destination_currency: "EUR".into(),
        ..pb::ExchangeRequest::default()
    };
    let over_grpc = world.grpc().await.exchange(same).await.unwrap().into_inner();
    assert!(over_grpc.replayed && json!(over_grpc.transaction.unwrap().id) == done["id"], "one API, one key");

    for (change, words) in [
        (json!({ "destinationCurrency": null }), "destinationCurrency is required"),
        (json!({ "destinationCurrency": "XXX" }), "XXX"),
        (json!({ "destinationCurrency": "USD" }), "both currencies are USD"),
        (json!({ "rateId": 0 }), "rateId must be a whole number from 1"),
        (json!({ "rateId": "7" }), "rateId must be a whole number"),
        (json!({ "amount": "0.001" }), "2 decimals"),
    ] {
        world.each_is_bad(Method::POST, "/v1/exchanges", &[(with(&asked, change), &[words])]).await;
    }
    let rate = json!({ "base": "USD", "quote": "EUR", "rate": "0.9", "source": "desk" });
    for (change, words) in [
        (json!({ "rate": "0" }), "rate \"0\" is not above zero"),
        (json!({ "rate": "1e3" }), "rate \"1e3\" is not a decimal number"),
        (json!({ "rate": "0.1234567890123" }), "the limit is 16 digits and 12 decimals"),
        (json!({ "quote": "USD" }), "quote \"USD\" is the base"),
        (json!({ "source": "" }), "source"),
        (json!({ "observedAt": "2999-01-01T00:00:00Z" }), "observedAt \"2999-01-01T00:00:00Z\" is in the future"),
        (json!({ "observedAt": "yesterday" }), "observedAt \"yesterday\" is not a time"),
    ] {
        world.each_is_bad(Method::POST, "/v1/rates", &[(with(&rate, change), &[words])]).await;
    }
    for n in 1..=4 {
        world
            .post(
                "/v1/rates",
                &with(&rate, json!({ "rate": format!("0.{n}"), "observedAt": format!("2026-01-0{n}T00:00:00Z") })),
            )
            .await
            .ok(201);
    }
    assert_eq!(
        world.walk("/v1/rates?base=USD&quote=EUR&limit=2", "rate").await,
        ["0.92155", "0.4", "0.3", "0.2", "0.1"]
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_back_is_told_natively_and_as_the_accounts_api_tells_it() {
    let world = World::native().await;
    let mut paid = transaction(&[("ann", "shop", "60")]);
    paid["kind"] = json!("payment");
    let paid = text(&world.post("/v1/transactions", &paid).await.ok(201)["transaction"]["id"]);
    let part = world
        .post(&format!("/v1/transactions/{paid}/refund"), &json!({ "amount": "20", "idempotencyKey": "r" }))
        .await
        .ok(201);
    let given = &part["transaction"];
    assert_eq!(
        (&given["kind"], &given["refundOf"], &given["reverses"]),
        (&json!("refund"), &json!(paid), &json!(null))
    );
    let again = world
        .post(&format!("/v1/transactions/{paid}/refund"), &json!({ "amount": 20, "idempotencyKey": "r" }))
        .await
        .ok(201);
    assert_eq!(again["replayed"], true);
    let again = &again["transaction"];
    assert_eq!((&again["id"], &again["refundOf"]), (&given["id"], &json!(paid)));
    world.post(&format!("/v1/transactions/{paid}/refund"), &json!({ "amount": "40.01" })).await.refused_naming(
        409,
        "REFUND_EXCEEDED",
        &[&paid],
    );
    world.post(&format!("/v1/transactions/{paid}/reverse"), &json!({})).await.refused_naming(
        409,
        "REFUND_EXCEEDED",
        &[&paid],
    );
    world.post(&format!("/v1/transactions/{paid}/refund"), &json!({})).await.ok(201);
    assert_eq!(world.money("ann").await[0], "100.00");

    let given = world.post("/v1/transactions", &transaction(&[("ann", "shop", "5")])).await.ok(201);
    let given = text(&given["transaction"]["id"]);
    let undone = world
        .post(
            &format!("/v1/transactions/{given}/reverse"),
            &json!({ "description": "by mistake", "idempotencyKey": "u" }),
        )
        .await
        .ok(201)["transaction"]
        .clone();
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
    world.post(&format!("/v1/transactions/{given}/reverse"), &json!({})).await.refused_naming(
        409,
        "REFUND_EXCEEDED",
        &[&given],
    );
    for id in [&given, &undone, &paid] {
        let audited = world.post(&format!("admin/transactions/{id}/reconcile"), &json!({})).await.ok(200);
        assert_eq!(audited["match"], json!(true), "{audited}");
    }
    for (id, code) in
        [("x", "TRANSACTION_NOT_FOUND"), ("01929b2a-0000-7000-8000-000000000000", "TRANSACTION_NOT_FOUND")]
    {
        for what in ["refund", "reverse"] {
            world.post(&format!("/v1/transactions/{id}/{what}"), &json!({})).await.refused_naming(404, code, &[id]);
        }
    }
    world.post(&format!("/v1/transactions/{undone}/refund"), &json!({})).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["reverse it instead"],
    );

    // What a hold's capture paid is given back like a payment, also by the accounts REST API.
    let held = world.held("10").await;
    let captured = text(&world.step(&held, "capture", json!({})).await.ok(201)["transaction"]["id"]);
    let back = json!({ "originalPaymentId": captured, "refundAmount": "4", "currency": "USD" });
    world.post("transactions/refund", &back).await.ok(201);
    world.post(&format!("/v1/transactions/{captured}/refund"), &json!({ "amount": "6.01" })).await.refused_naming(
        409,
        "REFUND_EXCEEDED",
        &[&captured],
    );
    world.post(&format!("/v1/transactions/{captured}/refund"), &json!({})).await.ok(201);
    assert_eq!(world.transaction(&captured).await["status"], "refunded");
    world.end().await;
}
