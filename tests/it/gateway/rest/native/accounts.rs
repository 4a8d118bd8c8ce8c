//! Accounts of the native API: reads, entries, limits, status.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::client::{Answer, units};
use super::super::shown::shown;
use super::super::{World, movement, text, with};
use super::{hold, transaction};

impl World {
    /// Changes ann's limits; the account after it.
    async fn limited(&self, limits: Value) -> Value {
        self.patch("/v1/accounts/ann/limits", &limits).await.ok(200)
    }

    async fn moved(&self, from: &str, to: &str, amount: &str) -> Answer {
        self.post("/v1/transactions", &transaction(&[(from, to, amount)])).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_its_entries_read_back_in_its_own_decimals() {
    let world = World::native().await;
    for (amount, back) in [("12.5", "87.50"), ("0.05", "87.45"), ("7", "80.45")] {
        world.post("/v1/transactions", &transaction(&[("ann", "shop", amount)])).await.ok(201);
        assert_eq!(world.money("ann").await[0], back);
    }
    world.held("10").await;
    insta::assert_json_snapshot!(shown(&world.account("ann").await, &[]), @r#"
    {
      "available": "70.45",
      "balance": "80.45",
      "createdAt": "[time]",
      "creditsPosted": "100.00",
      "currency": "USD",
      "debitsPosted": "19.55",
      "held": "10.00",
      "id": "ann",
      "kind": "user",
      "maxBalance": null,
      "metadata": {},
      "minBalance": "0.00",
      "normalSide": "credit",
      "owner": "",
      "status": "active",
      "version": 5,
      "withinLimits": true
    }
    "#);
    let page = world.get("/v1/accounts/ann/entries").await.ok(200);
    let amounts: Vec<String> = page["items"].as_array().unwrap().iter().map(|entry| text(&entry["amount"])).collect();
    assert_eq!(
        (amounts, &page["nextPageToken"]),
        (["-7.00", "-0.05", "-12.50", "100.00"].map(str::to_owned).to_vec(), &Value::Null)
    );
    insta::assert_json_snapshot!(shown(&page["items"][0], &[]), @r#"
    {
      "amount": "-7.00",
      "balanceAfter": "80.45",
      "counterAccountId": "shop",
      "createdAt": "[time]",
      "currency": "USD",
      "posting": 0,
      "transactionId": "[id]"
    }
    "#);
    for size in [1, 2, 3, 4, 1_000] {
        let walked = world.walk(&format!("/v1/accounts/ann/entries?limit={size}"), "balanceAfter").await;
        assert_eq!(walked, ["80.45", "87.45", "87.50", "100.00"], "{size}");
    }
    let token = text(&world.get("/v1/accounts/ann/entries?limit=1").await.ok(200)["nextPageToken"]);
    for (path, word) in [
        (format!("/v1/accounts/shop/entries?pageToken={token}"), "not a token of this query"),
        ("/v1/accounts/ann/entries?limit=1001".into(), "limit"),
        ("/v1/accounts/ann/entries?limit=x".into(), "limit"),
    ] {
        world.get(&path).await.refused_naming(400, "INVALID_ARGUMENT", &[word]);
    }
    for path in ["/v1/accounts/nobody", "/v1/accounts/nobody/entries", "/v1/accounts/%00"] {
        world.get(path).await.refused_naming(404, "ACCOUNT_NOT_FOUND", &["Account not found"]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_bind_from_the_answer_on() {
    let world = World::native().await;
    let changed = world.limited(json!({ "minBalance": "-50", "maxBalance": 150 })).await;
    assert_eq!(
        (&changed["minBalance"], &changed["maxBalance"], &changed["withinLimits"]),
        (&json!("-50.00"), &json!("150.00"), &json!(true))
    );
    world.moved("ann", "shop", "150").await.ok(201);
    world.moved("ann", "shop", "0.01").await.refused_naming(400, "INSUFFICIENT_FUNDS", &["ann"]);
    world.moved("shop", "ann", "150").await.ok(201);
    world.end().await;
}

/// Mutations: a limit past the balance that is refused, or moves money, or is not reported; null that leaves a limit as
/// it is.
#[tokio::test(flavor = "multi_thread")]
async fn limits_past_the_balance_are_reported_and_only_money_towards_them_moves() {
    let world = World::native().await;
    world.served.database.account("bob", 10_00).await;
    world.limited(json!({ "minBalance": "-50" })).await;
    let past = world.limited(json!({ "maxBalance": "90" })).await;
    assert_eq!(
        (&past["minBalance"], &past["maxBalance"], &past["withinLimits"], &past["balance"]),
        (&json!("-50.00"), &json!("90.00"), &json!(false), &json!("100.00"))
    );
    assert_eq!(world.account("ann").await["withinLimits"], false);
    world.moved("bob", "ann", "0.01").await.refused_naming(400, "LIMIT_EXCEEDED", &["ann"]);
    world.moved("ann", "shop", "10").await.ok(201);
    assert_eq!(world.account("ann").await["withinLimits"], true);
    let past = world.limited(json!({ "minBalance": "90.01", "maxBalance": null })).await;
    assert_eq!((&past["maxBalance"], &past["withinLimits"]), (&Value::Null, &json!(false)));
    world.moved("ann", "shop", "0.01").await.refused_naming(400, "INSUFFICIENT_FUNDS", &["ann"]);
    // What is held counts as gone.
    world.limited(json!({ "minBalance": "0" })).await;
    world.held("50").await;
    assert_eq!(world.limited(json!({ "minBalance": "40" })).await["withinLimits"], true);
    assert_eq!(world.limited(json!({ "minBalance": "40.01" })).await["withinLimits"], false);
    assert_eq!(world.limited(json!({ "minBalance": null })).await["minBalance"], Value::Null);
    world.end().await;
}

/// Its repeat changes nothing and says how the account is.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_change_of_limits_is_used_once() {
    let world = World::native().await;
    let keyed = json!({ "minBalance": "-1", "idempotencyKey": "k" });
    world.limited(keyed.clone()).await;
    world.limited(json!({ "minBalance": "-2" })).await;
    assert_eq!(world.limited(keyed).await["minBalance"], "-2.00");
    let limits = world.patch("/v1/accounts/ann/limits", &json!({ "minBalance": "-3", "idempotencyKey": "k" })).await;
    limits.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    let hold = world.post("/v1/holds", &with(&hold("ann", "shop", "1"), json!({ "idempotencyKey": "k" }))).await;
    hold.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_limits_are_named() {
    let world = World::native().await;
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &["one of minBalance and maxBalance is required"]),
        (json!({ "idempotencyKey": "x" }), &["one of minBalance and maxBalance is required"]),
        (json!({ "minBalance": "x" }), &["minBalance must be a decimal amount"]),
        (json!({ "minBalance": true, "maxBalance": [] }), &["minBalance must be", "maxBalance must be"]),
        (json!({ "minBalance": "1.234" }), &["minBalance \"1.234\" has more than the 2 decimals of USD"]),
        (json!({ "maxBalance": "9".repeat(40) }), &["maxBalance", "28 digits"]),
        (json!({ "maxBalance": "1", "idempotencyKey": "x".repeat(256) }), &["idempotencyKey", "256 bytes", "255"]),
        (json!({ "maxBalance": "1", "reason": 1 }), &["reason must be"]),
        (json!({ "maxBalance": "1", "reason": "x".repeat(1_025) }), &["reason", "1024"]),
    ];
    world.each_is_bad(Method::PATCH, "/v1/accounts/ann/limits", &table).await;
    for id in ["nobody", "%00"] {
        for (what, body) in [("limits", json!({ "minBalance": "0" })), ("status", json!({ "status": "active" }))] {
            let answer = world.patch(&format!("/v1/accounts/{id}/{what}"), &body).await;
            answer.refused_naming(404, "ACCOUNT_NOT_FOUND", &[]);
        }
    }
    world.end().await;
}

/// Mutation: a limit that binds only once it is written, or one that is read before the legs before it have settled.
#[tokio::test(flavor = "multi_thread")]
async fn limits_that_change_while_money_moves_are_kept() {
    let world = World::native().await;
    world.served.database.account("rich", 100_000_00).await;
    let bodies: Vec<Value> = (0..150).map(|_| transaction(&[("rich", "shop", "1")])).collect();
    let credits = join_all(bodies.iter().map(|body| world.post("/v1/transactions", body)));
    let changes = async {
        let mut reports = Vec::new();
        for limit in ["20", "60", "40", "100", "70"] {
            reports.push(world.patch("/v1/accounts/shop/limits", &json!({ "maxBalance": limit })).await.ok(200));
        }
        reports
    };
    let (credits, reports) = tokio::join!(credits, changes);
    for report in &reports {
        assert_eq!(report["withinLimits"], units(&report["balance"]) <= units(&report["maxBalance"]), "{report}");
    }
    let mut done = 0;
    for answer in credits {
        if answer.status == 201 {
            done += 1;
        } else {
            answer.refused_naming(400, "LIMIT_EXCEEDED", &["shop"]);
        }
    }
    let balance = world.money("shop").await[0].clone();
    assert_eq!(balance, format!("{done}.00"));
    world.post("/v1/transactions", &transaction(&[("rich", "shop", "1000")])).await.refused_naming(
        400,
        "LIMIT_EXCEEDED",
        &[],
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_changed_and_closed_is_final() {
    let world = World::native().await;
    let status = async |id: &str, body: Value| world.patch(&format!("/v1/accounts/{id}/status"), &body).await;
    assert_eq!(
        status("shop", json!({ "status": "suspended", "idempotencyKey": "s" })).await.ok(200)["status"],
        "suspended"
    );
    world.post("/v1/transactions", &transaction(&[("ann", "shop", "1")])).await.refused_naming(
        400,
        "ACCOUNT_INACTIVE",
        &["shop", "suspended"],
    );
    assert_eq!(status("shop", json!({ "status": "active" })).await.ok(200)["status"], "active");
    assert_eq!(
        status("shop", json!({ "status": "suspended", "idempotencyKey": "s" })).await.ok(200)["status"],
        "active",
        "its repeat has no second effect"
    );
    status("shop", json!({ "status": "closed", "idempotencyKey": "s" })).await.refused_naming(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        &[],
    );
    status("ann", json!({ "status": "closed" })).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["ann", "100.00 USD"],
    );
    assert_eq!(status("shop", json!({ "status": "closed" })).await.ok(200)["status"], "closed");
    status("shop", json!({ "status": "active" })).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["closed, which is final"],
    );
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &["status is required"]),
        (json!({ "status": "gone" }), &["status must be one of the following values: active, suspended, closed"]),
        (json!({ "status": 1 }), &["status must be one of"]),
        (json!({ "status": "active", "idempotencyKey": "" }), &["idempotencyKey should not be empty"]),
        (json!({ "status": "active", "zzz": 1 }), &["property zzz should not exist"]),
    ];
    world.each_is_bad(Method::PATCH, "/v1/accounts/ann/status", &table).await;
    world.end().await;
}

/// Mutation: a floor above zero that is refused one way and allowed the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_may_be_told_to_keep_something_whichever_way_it_is_opened() {
    use florin_wire::florin_v1 as pb;
    let world = World::native().await;
    let rest = world.open(json!({ "minBalance": "40" })).await;
    let request = pb::CreateAccountRequest {
        id: "kept".into(),
        kind: pb::AccountKind::User.into(),
        currency: "USD".into(),
        min_balance: Some("40".into()),
        ..Default::default()
    };
    world.grpc().await.create_account(request).await.unwrap();
    for id in [rest.as_str(), "kept"] {
        assert_eq!(world.account(id).await["withinLimits"], false);
        world.post("/v1/transactions", &transaction(&[("ann", id, "30")])).await.ok(201);
        world.post("/v1/transactions", &transaction(&[(id, "ann", "0.01")])).await.refused_naming(
            400,
            "INSUFFICIENT_FUNDS",
            &[],
        );
        world.post("transactions/topup", &movement(&world.bank, id, "20")).await.ok(201);
        assert_eq!(world.account(id).await["withinLimits"], true);
        world.post("/v1/transactions", &transaction(&[(id, "ann", "10")])).await.ok(201);
        world.post("/v1/transactions", &transaction(&[(id, "ann", "0.01")])).await.refused_naming(
            400,
            "INSUFFICIENT_FUNDS",
            &[],
        );
    }
    world.end().await;
}
