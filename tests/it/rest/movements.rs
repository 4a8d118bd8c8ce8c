//! The five movements as they succeed: what is answered, what is kept, what the accounts show.

use serde_json::{Value, json};

use super::client::{CORRELATION, is_time, is_uuid, stored, units};
use super::{World, has, key, movement, payment, refund, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn each_movement_is_answered_and_kept() {
    let world = World::start().await;
    topup_and_withdrawal_tell_the_balances_before_and_after(&world).await;
    a_transfer_is_one_transaction_under_two_names(&world).await;
    a_payment_needs_no_key_and_carries_its_metadata_and_correlation(&world).await;
    an_amount_is_text_or_a_number_and_is_echoed_as_sent(&world).await;
    world.end().await;
}

/// Mutations: balances of the answer read after a later movement; the stored form of the amount in the answer.
async fn topup_and_withdrawal_tell_the_balances_before_and_after(world: &World) {
    let user = world.open(json!({})).await;
    let mut expected = 0;
    for (route, kind, amount, change) in [
        ("topup", "topup", "100", 100_0000_0000),
        ("topup", "topup", "0.5", 5000_0000),
        ("withdraw", "withdrawal", "30.05", -30_0500_0000),
        ("topup", "topup", "7.10", 7_1000_0000),
        ("withdraw", "withdrawal", "77.55", -77_5500_0000_i128),
    ] {
        let (source, destination, own) =
            if change > 0 { (&world.bank, &user, "destination") } else { (&user, &world.bank, "source") };
        let body = with(&movement(source, destination, amount), json!({ "reference": format!("{kind} {amount}") }));
        let made = world.post(&format!("transactions/{route}"), &body).await.ok(201);
        assert!(is_uuid(&made["transactionId"]) && is_time(&made["createdAt"]), "{made}");
        for field in ["idempotencyKey", "sourceAccountId", "destinationAccountId", "amount", "currency"] {
            assert_eq!(made[field], body[field], "{field} in {made}");
        }
        assert_eq!((&made["type"], &made["status"]), (&json!(kind), &json!("pending")));
        has(&made, "sourceBalanceBefore sourceBalanceAfter destinationBalanceBefore destinationBalanceAfter metadata");
        let at = |when: &str| units(&made[format!("{own}Balance{when}")]);
        assert_eq!((at("Before"), at("After")), (expected, expected + change), "{made}");
        expected += change;
        // An external account goes below zero and shows nothing of it.
        let other = if own == "source" { "destination" } else { "source" };
        for when in ["Before", "After"] {
            assert_eq!(units(&made[format!("{other}Balance{when}")]), 0, "{made}");
        }
        assert_eq!(units(&json!(world.balance(&user).await)), expected);

        let read = world.transaction(&text(&made["transactionId"])).await;
        for (field, value) in [
            ("id", made["transactionId"].clone()),
            ("type", json!(kind)),
            ("status", json!("completed")),
            ("amount", json!(stored(amount))),
            ("sourceSignedAmount", json!(format!("-{}", stored(amount)))),
            ("destinationSignedAmount", json!(stored(amount))),
            ("currency", json!("USD")),
            ("sourceAccountId", json!(source)),
            ("destinationAccountId", json!(destination)),
            ("idempotencyKey", body["idempotencyKey"].clone()),
            ("failureReason", Value::Null),
            ("failureCode", Value::Null),
            ("compensatedAt", Value::Null),
            ("compensationReason", Value::Null),
            (
                if own == "source" { "sourceNewBalance" } else { "destinationNewBalance" },
                json!(world.balance(&user).await),
            ),
        ] {
            assert_eq!(read[field], value, "{field} in {read}");
        }
        has(
            &read,
            "correlationId compensationActions aggregateVersion metadata sourceNewBalance destinationNewBalance",
        );
        for field in ["requestedAt", "completedAt", "updatedAt"] {
            assert!(is_time(&read[field]), "{field} in {read}");
        }
    }
    world.balances(&[(&user, "0"), (&world.bank, "0")]).await;
    assert_eq!(world.get(&format!("accounts/{}/balance", world.bank)).await.ok(200)["status"], "active");
}

async fn a_transfer_is_one_transaction_under_two_names(world: &World) {
    let (ada, bob) = (world.user("20").await, world.user("5.5").await);
    let body = with(&movement(&ada, &bob, "4.25"), json!({ "reference": "rent, May" }));
    let made = world.post("transactions/transfer", &body).await.ok(201);
    assert!(is_uuid(&made["debitTransactionId"]) && is_time(&made["createdAt"]), "{made}");
    assert_eq!(made["debitTransactionId"], made["creditTransactionId"]);
    for field in ["sourceAccountId", "destinationAccountId", "amount", "currency", "reference"] {
        assert_eq!(made[field], body[field], "{field} in {made}");
    }
    assert_eq!(made["status"], "pending");
    world.balances(&[(&ada, "15.75"), (&bob, "9.75")]).await;
    let read = world.transaction(&text(&made["debitTransactionId"])).await;
    assert!(["transfer_debit", "transfer_credit"].contains(&text(&read["type"]).as_str()), "{read}");
    for (field, value) in [
        ("status", "completed"),
        ("amount", "4.25000000"),
        ("sourceSignedAmount", "-4.25000000"),
        ("destinationSignedAmount", "4.25000000"),
        ("sourceNewBalance", "15.75000000"),
        ("destinationNewBalance", "9.75000000"),
    ] {
        assert_eq!(read[field], value, "{field} in {read}");
    }
}

/// Mutation: a payment without a key takes a fixed one: the second of two equal ones is a replay.
async fn a_payment_needs_no_key_and_carries_its_metadata_and_correlation(world: &World) {
    let (customer, merchant) = (world.user("50").await, world.user("0").await);
    let body = with(
        &payment(&customer, &merchant, "12.5"),
        json!({ "paymentMetadata": { "orderId": "order-77", "lines": [{ "sku": "a", "n": 2 }] } }),
    );
    let mut ids = Vec::new();
    for correlation in ["shop-1", "shop-2"] {
        let request =
            world.request(reqwest::Method::POST, "transactions/payment").header(CORRELATION, correlation).json(&body);
        let answer = world.send(request).await;
        assert_eq!(answer.correlation, correlation);
        let told: Vec<Value> = world
            .served
            .database
            .events()
            .await
            .iter()
            .map(|event| serde_json::from_str(&event.body).unwrap())
            .collect();
        assert_eq!(
            told.iter().filter(|event| event["correlation_id"] == correlation).count(),
            1,
            "its event carries it"
        );
        let made = answer.ok(201);
        assert!(is_uuid(&made["transactionId"]), "{made}");
        assert_eq!(made["status"], "pending");
        for field in ["customerAccountId", "merchantAccountId", "amount", "currency"] {
            assert_eq!(made[field], body[field], "{field} in {made}");
        }
        let read = world.transaction(&text(&made["transactionId"])).await;
        assert_eq!(
            (&read["type"], &read["status"], &read["correlationId"]),
            (&json!("payment"), &json!("completed"), &json!(correlation)),
            "{read}"
        );
        assert_eq!((&read["sourceAccountId"], &read["destinationAccountId"]), (&json!(customer), &json!(merchant)));
        assert!(read["metadata"].to_string().contains("order-77"), "{read}");
        ids.push(read["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    world.balances(&[(&customer, "25"), (&merchant, "25")]).await;

    let keyed = with(&payment(&customer, &merchant, "1"), json!({ "idempotencyKey": key() }));
    let made = world.post("transactions/payment", &keyed).await.ok(201);
    assert_eq!(world.transaction(&text(&made["transactionId"])).await["idempotencyKey"], keyed["idempotencyKey"]);

    let back =
        with(&refund(&text(&made["transactionId"]), "0.4"), json!({ "refundMetadata": { "reason": "too salty" } }));
    let made = world.post("transactions/refund", &back).await.ok(201);
    assert!(is_uuid(&made["refundId"]), "{made}");
    assert_eq!((&made["originalPaymentId"], &made["status"]), (&back["originalPaymentId"], &json!("pending")));
    let read = world.transaction(&text(&made["refundId"])).await;
    assert_eq!(
        (&read["type"], &read["status"], &read["amount"]),
        (&json!("refund"), &json!("completed"), &json!("0.40000000"))
    );
    assert_eq!((&read["sourceAccountId"], &read["destinationAccountId"]), (&json!(merchant), &json!(customer)));
    assert!(read["metadata"].to_string().contains("too salty"), "{read}");
    world.balances(&[(&customer, "24.4"), (&merchant, "25.6")]).await;
}

/// Mutation: a number that goes through a float loses the cent of the large one, and gains one in the sum of tenths.
async fn an_amount_is_text_or_a_number_and_is_echoed_as_sent(world: &World) {
    let user = world.open(json!({})).await;
    let mut expected = 0;
    for token in [
        "25",
        "0.1",
        "0.2",
        "10.50",
        "1234567.89",
        "9007199254740993.01",
        "\"25\"",
        "\"10.5\"",
        "\"0.01\"",
        "\"9007199254740993.03\"",
    ] {
        let body = raw(&movement(&world.bank, &user, "@@"), token);
        let answer = world.post_raw("transactions/topup", Some("application/json"), body).await;
        assert_eq!(answer.status, 201, "{token}: {}", answer.text);
        let compact: String = answer.text.split_whitespace().collect();
        let echoed = [format!("\"amount\":{token}"), format!("\"amount\":\"{token}\"")];
        assert!(
            echoed.iter().any(|echo| compact.contains(&format!("{echo},")) || compact.contains(&format!("{echo}}}"))),
            "{token}: {}",
            answer.text
        );
        expected += units(&json!(token.trim_matches('"')));
        assert_eq!(units(&json!(world.balance(&user).await)), expected, "{token}");
    }
}

/// A hundred at once: each answer's balances join to one chain, nothing is lost.
/// Mutation: before and after taken from a view that another movement has changed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn balances_before_and_after_form_one_chain_under_concurrency() {
    let world = World::start().await;
    let user = world.user("1000").await;
    let posts = (0..100).map(|n| {
        let (route, body) = match n % 2 {
            0 => ("transactions/topup", movement(&world.bank, &user, "3")),
            _ => ("transactions/withdraw", movement(&user, &world.bank, "2")),
        };
        let world = &world;
        async move { world.post(route, &body).await.ok(201) }
    });
    let made = futures::future::join_all(posts).await;
    let mut edges: Vec<(i128, i128)> = made
        .iter()
        .map(|made| {
            let own = if made["type"] == "topup" { "destination" } else { "source" };
            (units(&made[format!("{own}BalanceBefore")]), units(&made[format!("{own}BalanceAfter")]))
        })
        .collect();
    // Each step leads from its before to its after: summed over all, every balance but the first and the last is left
    // as often as reached.
    let mut visits = std::collections::HashMap::<i128, i32>::new();
    for (before, after) in edges.drain(..) {
        *visits.entry(before).or_default() -= 1;
        *visits.entry(after).or_default() += 1;
    }
    visits.retain(|_, count| *count != 0);
    assert_eq!(visits, [(1000_0000_0000, -1), (1050_0000_0000, 1)].into());
    assert_eq!(world.balance(&user).await, stored("1050"));
    world.end().await;
}

/// The JSON text of a body with this token in the place of the text `@@`.
pub fn raw(body: &Value, token: &str) -> String {
    body.to_string().replace("\"@@\"", token)
}
