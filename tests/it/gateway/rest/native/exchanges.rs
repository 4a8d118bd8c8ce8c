//! Exchange and rates over REST.

use florin_wire::florin_v1 as pb;
use reqwest::Method;
use serde_json::json;

use super::super::{World, text, with};
use super::hold;

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
        (&json!("fx"), &json!(false), &rate["id"], &json!("down"))
    );
    // 9.307655
    assert_eq!((&done["postings"][0]["amount"], &done["postings"][1]["amount"]), (&json!("10.10"), &json!("9.30")));
    assert_eq!((world.money("ann").await[0].as_str(), world.money(&eve).await[0].as_str()), ("89.90", "9.30"));
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
