//! minBalance and maxBalance: a movement against them is taken and then fails, and external accounts have none.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{World, key, movement, payment, refund, text, with};

/// Fails when a limit is told by one code for all movements, whose clients know one for each.
fn failure_code(route: &str) -> &'static str {
    match route {
        "topup" => "TOPUP_FAILED",
        "withdraw" => "WITHDRAWAL_FAILED",
        "transfer" => "TRANSFER_FAILED",
        "payment" => "PAYMENT_FAILED",
        _ => "REFUND_FAILED",
    }
}

/// Posts it: it is answered as if it would be done, is failed, bound its key and moved nothing.
async fn fails_after_201(world: &World, route: &str, body: &Value) {
    let body = with(body, json!({ "idempotencyKey": key() }));
    let made = world.post(&format!("transactions/{route}"), &body).await.ok(201);
    assert_eq!(made["status"], "pending", "{made}");
    let id = text(made.get("transactionId").unwrap_or(&made["debitTransactionId"]));
    for side in ["source", "destination"] {
        let at = |when: &str| made.get(format!("{side}Balance{when}"));
        assert_eq!(at("Before"), at("After"), "{made}");
    }
    let read = world.transaction(&id).await;
    assert_eq!(read["status"], "failed", "{read}");
    let code = failure_code(route);
    assert!(!text(&read["failureReason"]).is_empty() && read["failureCode"] == code, "{read}");
    assert_eq!(read["idempotencyKey"], body["idempotencyKey"], "the row is there with its key");
    let told = format!("Transaction with idempotency key {} already exists: {id}", text(&body["idempotencyKey"]));
    for again in [body.clone(), with(&body, json!({ "amount": "0.01" }))] {
        world.post(&format!("transactions/{route}"), &again).await.refused(409, "DUPLICATE_TRANSACTION", &told);
    }
    let saga = world.ended(&id).await;
    assert_eq!((&saga["status"], &saga["result"]["success"]), (&json!("failed"), &json!(false)), "{saga}");
    assert_eq!(saga["result"]["error"]["code"], code, "{saga}");
    assert_eq!(
        world.get(&format!("sagas/{id}/complete")).await.ok(200),
        json!({ "complete": true, "status": "failed" })
    );
}

/// Mutations: the ceiling answered 400; a failed row whose key is free; money moved by a movement that failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_movement_beyond_a_max_balance_is_taken_and_fails_and_binds_its_key() {
    let world = World::start().await;
    let capped = world.user_with("80", json!({ "maxBalance": "100" })).await;
    let other = world.user("500").await;
    for (route, body) in [
        ("topup", movement(&world.bank, &capped, "20.01")),
        ("transfer", movement(&other, &capped, "21")),
        ("payment", payment(&other, &capped, "400")),
    ] {
        fails_after_201(&world, route, &body).await;
        world.balances(&[(&capped, "80"), (&other, "500")]).await;
    }
    // Up to the limit, to the cent.
    world.post("transactions/transfer", &movement(&other, &capped, "20")).await.ok(201);
    fails_after_201(&world, "topup", &movement(&world.bank, &capped, "0.01")).await;
    world.balances(&[(&capped, "100"), (&other, "480")]).await;
    // A refund to an account that is full by now.
    let paid = world.pay(&capped, &other, "30").await;
    world.post("transactions/topup", &movement(&world.bank, &capped, "30")).await.ok(201);
    let made = world.post("transactions/refund", &refund(&paid, "30")).await.ok(201);
    let read = world.transaction(&text(&made["refundId"])).await;
    assert_eq!((&read["status"], &read["failureCode"]), (&json!("failed"), &json!(failure_code("refund"))));
    world.post("transactions/withdraw", &movement(&capped, &world.bank, "30")).await.ok(201);
    world.post("transactions/refund", &refund(&paid, "30")).await.ok(201); // what failed was not counted
    world.balances(&[(&capped, "100"), (&other, "480")]).await;
    let list = world.get(&format!("transactions?accountId={capped}&status=failed")).await.ok(200);
    assert_eq!(list.as_array().unwrap().len(), 5, "{list}");
    world.end().await;
}

/// Mutation: a floor above zero that counts as too little money.
#[tokio::test(flavor = "multi_thread")]
async fn a_movement_below_a_min_balance_above_zero_is_taken_and_fails() {
    let world = World::start().await;
    let (kept, other) = (world.user_with("100", json!({ "minBalance": "40" })).await, world.user("500").await);
    for (route, body) in [
        ("withdraw", movement(&kept, &world.bank, "60.01")),
        ("transfer", movement(&kept, &other, "99")),
        ("payment", payment(&kept, &other, "100")),
    ] {
        fails_after_201(&world, route, &body).await;
        world.balances(&[(&kept, "100"), (&other, "500")]).await;
    }
    world.post("transactions/withdraw", &movement(&kept, &world.bank, "60")).await.ok(201);
    fails_after_201(&world, "withdraw", &movement(&kept, &world.bank, "0.01")).await;
    world.balances(&[(&kept, "40"), (&other, "500")]).await;
    assert_eq!(world.get(&format!("accounts/{kept}")).await.ok(200)["minBalance"], "40.00000000");
    let list = world.get(&format!("transactions?accountId={kept}&status=failed")).await.ok(200);
    assert_eq!(list.as_array().unwrap().len(), 4, "{list}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_hold_and_external_accounts_have_none() {
    let world = World::start().await;
    a_min_balance_below_zero_is_a_credit_line_and_a_ceiling_holds_under_a_race(&world).await;
    external_accounts_go_below_zero_and_show_zero(&world).await;
    world.end().await;
}

/// Mutation: a credit line that ends one cent too late, or shows as a positive balance.
async fn a_min_balance_below_zero_is_a_credit_line_and_a_ceiling_holds_under_a_race(world: &World) {
    let (line, shop) = (world.open(json!({ "minBalance": "-50" })).await, world.open(json!({})).await);
    for (amount, left) in [("30", "-30.00000000"), ("19.99", "-49.99000000"), ("0.01", "-50.00000000")] {
        let made = world.post("transactions/withdraw", &movement(&line, &world.bank, amount)).await.ok(201);
        assert_eq!((&made["sourceBalanceAfter"], &json!(world.balance(&line).await)), (&json!(left), &json!(left)));
    }
    let answer = world.post("transactions/payment", &payment(&line, &shop, "0.01")).await;
    if answer.status == 201 {
        assert_eq!(world.transaction(&text(&answer.body["transactionId"])).await["status"], "failed");
    } else {
        answer.refused_naming(400, "INSUFFICIENT_BALANCE", &[&line]);
    }
    world.balances(&[(&line, "-50"), (&shop, "0")]).await;

    let capped = world.open(json!({ "maxBalance": "100" })).await;
    let bodies: Vec<Value> = (0..30).map(|_| movement(&world.bank, &capped, "7")).collect();
    let made = join_all(bodies.iter().map(|body| world.post("transactions/topup", body))).await;
    let mut done = 0;
    for answer in made {
        let status = &world.transaction(&text(&answer.ok(201)["transactionId"])).await["status"];
        assert!(status == "completed" || status == "failed", "{status}");
        done += usize::from(status == "completed");
    }
    assert_eq!(done, 14, "14 times 7 fits below 100");
    world.balances(&[(&capped, "98")]).await;
}

/// Mutations: an external account with a floor; its balance shown as it is.
async fn external_accounts_go_below_zero_and_show_zero(world: &World) {
    let user = world.open(json!({})).await;
    for _ in 0..3 {
        world.post("transactions/topup", &movement(&world.bank, &user, "1000000")).await.ok(201);
        world.balances(&[(&world.bank, "0")]).await;
    }
    world.post("transactions/withdraw", &movement(&user, &world.bank, "500000.5")).await.ok(201);
    let read = world.get(&format!("accounts/{}", world.bank)).await.ok(200);
    assert_eq!(
        (&read["balance"], &read["accountType"], &read["minBalance"]),
        (&json!("0.00000000"), &json!("external"), &Value::Null),
        "{read}"
    );
    let list = world.get(&format!("accounts?ownerId={}", text(&read["ownerId"]))).await.ok(200);
    let listed = list.as_array().unwrap().iter().find(|account| account["id"] == *world.bank).unwrap();
    assert_eq!(listed["balance"], "0.00000000", "in a list too");
    // Above zero it is the same: more came in than went out.
    let sink = world.external("USD").await;
    world.post("transactions/withdraw", &movement(&user, &sink, "10")).await.ok(201);
    world.balances(&[(&sink, "0"), (&user, "2499989.5")]).await;
}
