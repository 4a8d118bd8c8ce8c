//! The five movements as they succeed: what is answered, what is kept, what the accounts show.

use serde_json::{Value, json};

use super::client::{CORRELATION, is_uuid, stored, units};
use super::shown::shown;
use super::{World, key, movement, payment, refund, text, with};

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
    let (mut expected, mut told) = (0, Vec::new());
    for (route, amount, change) in [
        ("topup", "100", 100_0000_0000),
        ("topup", "0.5", 5000_0000),
        ("withdraw", "30.05", -30_0500_0000),
        ("topup", "7.10", 7_1000_0000),
        ("withdraw", "77.55", -77_5500_0000_i128),
    ] {
        let (source, destination, own) =
            if change > 0 { (&world.bank, &user, "destination") } else { (&user, &world.bank, "source") };
        let body = with(&movement(source, destination, amount), json!({ "reference": format!("{route} {amount}") }));
        let made = world.post(&format!("transactions/{route}"), &body).await.ok(201);
        let at = |when: &str| units(&made[format!("{own}Balance{when}")]);
        assert_eq!((at("Before"), at("After")), (expected, expected + change), "{made}");
        expected += change;
        assert_eq!(units(&json!(world.balance(&user).await)), expected);

        let (id, key) = (text(&made["transactionId"]), text(&body["idempotencyKey"]));
        let read = world.transaction(&id).await;
        assert_eq!(read[format!("{own}NewBalance")], world.balance(&user).await, "{read}");
        let names = [("user", &*user), ("bank", &*world.bank), ("key", &*key), ("transaction", &*id)];
        told.push([&made, &read].map(|body| shown(body, &names)));
    }
    // An external account goes below zero and shows nothing of it.
    insta::assert_json_snapshot!(told[0][0], @r#"
    {
      "amount": "100",
      "createdAt": "[time]",
      "currency": "USD",
      "destinationAccountId": "[user]",
      "destinationBalanceAfter": "100.00000000",
      "destinationBalanceBefore": "0.00000000",
      "idempotencyKey": "[key]",
      "metadata": {},
      "reference": "topup 100",
      "sourceAccountId": "[bank]",
      "sourceBalanceAfter": "0.00000000",
      "sourceBalanceBefore": "0.00000000",
      "status": "pending",
      "transactionId": "[transaction]",
      "type": "topup"
    }
    "#);
    insta::assert_json_snapshot!(told[2][1], @r#"
    {
      "aggregateVersion": 2,
      "amount": "30.05000000",
      "compensatedAt": null,
      "compensationActions": [],
      "compensationReason": null,
      "completedAt": "[time]",
      "correlationId": "[id]",
      "currency": "USD",
      "destinationAccountId": "[bank]",
      "destinationNewBalance": "0.00000000",
      "destinationSignedAmount": "30.05000000",
      "failureCode": null,
      "failureReason": null,
      "id": "[transaction]",
      "idempotencyKey": "[key]",
      "metadata": {},
      "originalPaymentId": null,
      "reference": "withdraw 30.05",
      "refundedAmount": null,
      "requestedAt": "[time]",
      "sourceAccountId": "[user]",
      "sourceNewBalance": "70.45000000",
      "sourceSignedAmount": "-30.05000000",
      "status": "completed",
      "type": "withdrawal",
      "updatedAt": "[time]"
    }
    "#);
    world.balances(&[(&user, "0"), (&world.bank, "0")]).await;
    assert_eq!(world.get(&format!("accounts/{}/balance", world.bank)).await.ok(200)["status"], "active");
}

async fn a_transfer_is_one_transaction_under_two_names(world: &World) {
    let (ada, bob) = (world.user("20").await, world.user("5.5").await);
    let body = with(&movement(&ada, &bob, "4.25"), json!({ "reference": "rent, May" }));
    let made = world.post("transactions/transfer", &body).await.ok(201);
    let (id, key) = (text(&made["debitTransactionId"]), text(&body["idempotencyKey"]));
    let names = [("ada", &*ada), ("bob", &*bob), ("key", &*key), ("transaction", &*id)];
    insta::assert_json_snapshot!(shown(&made, &names), @r#"
    {
      "amount": "4.25",
      "createdAt": "[time]",
      "creditTransactionId": "[transaction]",
      "currency": "USD",
      "debitTransactionId": "[transaction]",
      "destinationAccountId": "[bob]",
      "destinationBalanceAfter": "9.75000000",
      "destinationBalanceBefore": "5.50000000",
      "idempotencyKey": "[key]",
      "reference": "rent, May",
      "sourceAccountId": "[ada]",
      "sourceBalanceAfter": "15.75000000",
      "sourceBalanceBefore": "20.00000000",
      "status": "pending"
    }
    "#);
    world.balances(&[(&ada, "15.75"), (&bob, "9.75")]).await;
    let read = world.transaction(&id).await;
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
    let (id, key) = (text(&made["transactionId"]), text(&keyed["idempotencyKey"]));
    assert_eq!(world.transaction(&id).await["idempotencyKey"], key);
    let names = [("customer", &*customer), ("merchant", &*merchant), ("key", &*key), ("payment", &*id)];
    insta::assert_json_snapshot!(shown(&made, &names), @r#"
    {
      "amount": "1",
      "createdAt": "[time]",
      "currency": "USD",
      "customerAccountId": "[customer]",
      "customerBalanceAfter": "24.00000000",
      "customerBalanceBefore": "25.00000000",
      "destinationAccountId": "[merchant]",
      "destinationBalanceAfter": "26.00000000",
      "destinationBalanceBefore": "25.00000000",
      "idempotencyKey": "[key]",
      "merchantAccountId": "[merchant]",
      "merchantBalanceAfter": "26.00000000",
      "merchantBalanceBefore": "25.00000000",
      "metadata": {},
      "paymentMetadata": {},
      "sourceAccountId": "[customer]",
      "sourceBalanceAfter": "24.00000000",
      "sourceBalanceBefore": "25.00000000",
      "status": "pending",
      "transactionId": "[payment]",
      "type": "payment"
    }
    "#);

    let back = with(&refund(&id, "0.4"), json!({ "refundMetadata": { "reason": "too salty" } }));
    let made = world.post("transactions/refund", &back).await.ok(201);
    let refund = text(&made["refundId"]);
    let names = [("customer", &*customer), ("merchant", &*merchant), ("payment", &*id), ("refund", &*refund)];
    insta::assert_json_snapshot!(shown(&made, &names), @r#"
    {
      "amount": "0.4",
      "createdAt": "[time]",
      "currency": "USD",
      "customerAccountId": "[customer]",
      "customerBalanceAfter": "24.40000000",
      "customerBalanceBefore": "24.00000000",
      "destinationAccountId": "[customer]",
      "idempotencyKey": null,
      "merchantAccountId": "[merchant]",
      "merchantBalanceAfter": "25.60000000",
      "merchantBalanceBefore": "26.00000000",
      "originalPaymentId": "[payment]",
      "refundAmount": "0.4",
      "refundId": "[refund]",
      "refundMetadata": {
        "reason": "too salty"
      },
      "sourceAccountId": "[merchant]",
      "status": "pending",
      "transactionId": "[refund]",
      "type": "refund"
    }
    "#);
    insta::assert_json_snapshot!(shown(&world.transaction(&refund).await, &names), @r#"
    {
      "aggregateVersion": 2,
      "amount": "0.40000000",
      "compensatedAt": null,
      "compensationActions": [],
      "compensationReason": null,
      "completedAt": "[time]",
      "correlationId": "[id]",
      "currency": "USD",
      "destinationAccountId": "[customer]",
      "destinationNewBalance": "24.40000000",
      "destinationSignedAmount": "0.40000000",
      "failureCode": null,
      "failureReason": null,
      "id": "[refund]",
      "idempotencyKey": null,
      "metadata": {
        "reason": "too salty"
      },
      "originalPaymentId": "[payment]",
      "reference": null,
      "refundedAmount": null,
      "requestedAt": "[time]",
      "sourceAccountId": "[merchant]",
      "sourceNewBalance": "25.60000000",
      "sourceSignedAmount": "-0.40000000",
      "status": "completed",
      "type": "refund",
      "updatedAt": "[time]"
    }
    "#);
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
