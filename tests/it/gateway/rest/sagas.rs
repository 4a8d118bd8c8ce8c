//! Sagas: a movement inside the ledger shows as one, and its clients ask for it until it has ended.

use reqwest::Method;
use serde_json::json;

use super::client::CORRELATION;
use super::shown::shown;
use super::{World, key, movement, payment, refund, text};

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_a_view_of_transactions() {
    let world = World::start().await;
    each_movement_is_a_saga_that_has_ended_when_it_is_first_asked_for(&world).await;
    sagas_that_are_not_there_are_not_found_and_a_shared_correlation_has_the_first(&world).await;
    world.end().await;
}

/// Mutations: a saga that is completed and not complete; no `data`; steps that stay pending.
async fn each_movement_is_a_saga_that_has_ended_when_it_is_first_asked_for(world: &World) {
    let (ada, bob) = (world.user("100").await, world.user("100").await);
    let paid = world.pay(&ada, &bob, "10").await;
    for (route, kind, id, body) in [
        ("topup", "topup", "transactionId", movement(&world.bank, &ada, "1")),
        ("withdraw", "withdrawal", "transactionId", movement(&ada, &world.bank, "1")),
        ("transfer", "transfer", "debitTransactionId", movement(&ada, &bob, "1")),
        ("payment", "payment", "transactionId", payment(&ada, &bob, "1")),
        ("refund", "refund", "refundId", refund(&paid, "1")),
    ] {
        let correlation = format!("saga-{kind}");
        let request =
            world.request(Method::POST, &format!("transactions/{route}")).header(CORRELATION, &correlation).json(&body);
        let id = text(&world.send(request).await.ok(201)[id]);
        let saga = world.ended(&id).await;
        let names = [("type", kind), ("correlation", &*correlation), ("transaction", &*id)];
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(shown(&saga, &names), @r#"
            {
              "completedAt": "[time]",
              "correlationId": "[correlation]",
              "metadata": {},
              "result": {
                "data": {
                  "amount": "1.00000000",
                  "currency": "USD",
                  "transactionId": "[transaction]"
                },
                "success": true
              },
              "retryCount": 0,
              "sagaId": "[transaction]",
              "sagaType": "[type]",
              "startedAt": "[time]",
              "state": {
                "activityHistory": [
                  {
                    "status": "completed",
                    "step": "validate",
                    "timestamp": "[time]"
                  },
                  {
                    "status": "completed",
                    "step": "debit_source",
                    "timestamp": "[time]"
                  },
                  {
                    "status": "completed",
                    "step": "credit_destination",
                    "timestamp": "[time]"
                  },
                  {
                    "status": "completed",
                    "step": "complete",
                    "timestamp": "[time]"
                  }
                ],
                "compensationActions": [],
                "completedSteps": [
                  "validate",
                  "debit_source",
                  "credit_destination",
                  "complete"
                ],
                "currentStep": 4,
                "pendingSteps": [],
                "totalSteps": 4
              },
              "status": "completed",
              "updatedAt": "[time]"
            }
            "#);
        }
        assert_eq!(
            world.get(&format!("sagas/{id}/complete")).await.ok(200),
            json!({ "complete": true, "status": "completed" })
        );

        let found = world.get(&format!("sagas/by-correlation/{correlation}")).await.ok(200);
        assert_eq!(found, saga, "by correlation");

        let listed = world.get(&format!("sagas?type={kind}&limit=1")).await.ok(200);
        let listed = listed.as_array().expect("a bare array");
        assert_eq!((listed.len(), &listed[0]["sagaId"]), (1, &json!(id)), "the newest of its type");
    }
    let all = world.get("sagas").await.ok(200);
    assert_eq!(all.as_array().unwrap().len(), 8, "two top-ups to begin with, a payment, and one of each");
    for (kind, count) in [("topup", 3), ("withdrawal", 1), ("transfer", 1), ("payment", 2), ("refund", 1)] {
        let listed = world.get(&format!("sagas?type={kind}")).await.ok(200);
        assert_eq!(listed.as_array().unwrap().len(), count, "{kind}");
        assert!(listed.as_array().unwrap().iter().all(|saga| saga["sagaType"] == kind));
    }
}

/// Mutations: a list instead of one saga; the last of those that share a correlation.
async fn sagas_that_are_not_there_are_not_found_and_a_shared_correlation_has_the_first(world: &World) {
    let (ada, bob) = (world.user("10").await, world.open(json!({})).await);
    let unknown = key();
    for path in [
        format!("sagas/{unknown}"),
        format!("sagas/{unknown}/complete"),
        "sagas/abc".into(),
        "sagas/%27%3B--".into(),
        "sagas/by-correlation/nothing-of-this-name".into(),
        format!("sagas/by-correlation/{}", "x".repeat(129)),
    ] {
        world.get(&path).await.refused_naming(404, "TRANSACTION_NOT_FOUND", &["Saga not found"]);
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        let request = world
            .request(Method::POST, "transactions/transfer")
            .header(CORRELATION, "shared")
            .json(&movement(&ada, &bob, "1"));
        ids.push(text(&world.send(request).await.ok(201)["debitTransactionId"]));
    }
    assert_eq!(world.get("sagas/by-correlation/shared").await.ok(200)["sagaId"], *ids[0], "the first of {ids:?}");
}
