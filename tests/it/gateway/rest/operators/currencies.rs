//! Currencies made and changed by call.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::client::Answer;
use super::super::{World, movement_in, with};
use super::gold;

const GOLD: &str = "/v1/currencies/XAU";

impl World {
    /// Where gold is a currency, as it was answered.
    async fn with_gold() -> (Self, Value) {
        let world = Self::start().await;
        let made = world.post("/v1/currencies", &gold()).await.ok(201);
        (world, made)
    }

    async fn open_in_gold(&self) -> Answer {
        self.post("accounts", &json!({ "ownerId": "o", "ownerType": "user", "currency": "XAU" })).await
    }
}

/// Mutations: 201 for one that was there; an exponent that may change.
#[tokio::test(flavor = "multi_thread")]
async fn a_currency_is_made_once_and_reads_back_as_it_was_made() {
    let (world, made) = World::with_gold().await;
    assert_eq!(
        made,
        json!({ "code": "XAU", "name": "Gold", "exponent": 6, "type": "non-fiat", "isActive": true, "metadata": { "unit": "oz", "fine": 999.9 } })
    );
    assert_eq!(world.post("/v1/currencies", &gold()).await.ok(200), made);
    let read = world.get("currencies/XAU").await.ok(200);
    assert_eq!((&read["precision"], &read["metadata"]), (&made["exponent"], &made["metadata"]));
    for other in [
        json!({ "exponent": 5 }),
        json!({ "name": "Silver" }),
        json!({ "type": "fiat" }),
        json!({ "metadata": { "unit": "g" } }),
    ] {
        let answer = world.post("/v1/currencies", &with(&gold(), other)).await;
        answer.refused_naming(409, "ALREADY_EXISTS", &["currency XAU exists already"]);
    }
    world.end().await;
}

/// Mutation: a currency that this process does not learn.
#[tokio::test(flavor = "multi_thread")]
async fn money_moves_in_a_new_currency_at_once_and_no_account_opens_in_one_that_is_out_of_use() {
    let world = World::start().await;
    world.open_in_gold().await.refused(400, "INVALID_CURRENCY", "Invalid currency: XAU");
    world.post("/v1/currencies", &gold()).await.ok(201);
    let (bank, user) = (world.external("XAU").await, world.open(json!({ "currency": "XAU" })).await);
    let topup = async |amount: &str| world.post("transactions/topup", &movement_in("XAU", &bank, &user, amount)).await;
    topup("1.000001").await.ok(201);
    assert_eq!(world.balance(&user).await, "1.00000100");
    topup("0.0000001").await.refused_naming(400, "INVALID_AMOUNT", &["6 decimals of XAU"]);
    world.patch(GOLD, &json!({ "isActive": false })).await.ok(200);
    world.open_in_gold().await.refused_naming(400, "VALIDATION_FAILED", &["currency XAU is not in use"]);
    topup("1").await.ok(201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_currency_leaves_the_other_fields_and_is_kept_with_its_reason() {
    let (world, _) = World::with_gold().await;
    let off = world.patch(GOLD, &json!({ "isActive": false, "reason": "the vault closes" })).await.ok(200);
    assert_eq!((&off["isActive"], &off["name"]), (&json!(false), &json!("Gold")));
    let on = world.patch(GOLD, &json!({ "isActive": true, "name": "Fine gold", "metadata": {} })).await.ok(200);
    assert_eq!((&on["name"], &on["metadata"], &on["isActive"]), (&json!("Fine gold"), &json!({}), &json!(true)));
    assert_eq!(world.patch(GOLD, &json!({})).await.ok(200), on);
    let done = &world.get("/v1/operator-actions?subject=XAU").await.ok(200)["items"];
    let names: Vec<&str> = done.as_array().unwrap().iter().map(|action| action["action"].as_str().unwrap()).collect();
    assert_eq!(names, ["currency.change", "currency.change", "currency.create"]);
    assert_eq!(
        (&done[1]["reason"], &done[1]["before"]["isActive"], &done[1]["after"]["isActive"]),
        (&json!("the vault closes"), &json!(true), &json!(false))
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_of_currencies_are_named() {
    let (world, made) = World::with_gold().await;
    for (change, words) in [
        (json!({ "code": null }), "code is required"),
        (json!({ "code": "gold" }), "code \"gold\" is not 2 to 12"),
        (json!({ "code": "X" }), "code \"X\""),
        (json!({ "code": "A".repeat(13) }), "the limit is 12"),
        (json!({ "name": "" }), "name should not be empty"),
        (json!({ "name": "x".repeat(256) }), "the limit is 255"),
        (json!({ "exponent": null }), "exponent is required"),
        (json!({ "exponent": 19 }), "exponent must be a whole number from 0 to 18"),
        (json!({ "exponent": -1 }), "exponent must be a whole number"),
        (json!({ "exponent": 1.5 }), "exponent must be a whole number"),
        (json!({ "exponent": "6" }), "exponent must be a whole number"),
        (json!({ "type": null }), "type is required"),
        (json!({ "type": "metal" }), "type must be one of the following values: fiat, non-fiat"),
        (json!({ "metadata": [] }), "metadata must be an object"),
        (json!({ "reason": "x".repeat(1_025) }), "the limit is 1024"),
        (json!({ "reason": 7 }), "reason must be a string"),
        (json!({ "isActive": false }), "property isActive should not exist"),
    ] {
        let answer = world.post("/v1/currencies", &with(&gold(), change)).await;
        answer.refused_naming(400, "INVALID_ARGUMENT", &[words]);
    }
    for bad in [
        json!({ "exponent": 7 }),
        json!({ "code": "XAG" }),
        json!({ "isActive": "no" }),
        json!({ "name": "" }),
        json!({ "metadata": { "a": ["\0"] } }),
        json!({ "metadata": { "\0": 1 } }),
    ] {
        assert_eq!(world.patch(GOLD, &bad).await.status, 400, "{bad}");
    }
    for raw in [r#"{"metadata":{"a":"\ud800"}}"#, r#"{"metadata":{"a":1e999}}"#, r#"{"metadata":{"a":"\u0000"}}"#] {
        let request = world.request(Method::PATCH, GOLD).header("content-type", "application/json").body(raw);
        world.send(request).await.refused_naming(400, "INVALID_ARGUMENT", &["metadata"]);
    }
    world.patch("/v1/currencies/NONE", &json!({ "isActive": true })).await.refused_naming(404, "NOT_FOUND", &["NONE"]);
    assert_eq!(world.post("/v1/currencies", &gold()).await.ok(200), made, "none of them has changed it");
    world.end().await;
}

/// Mutations: no bound; one that also refuses to a repeat what is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_has_a_thousand_currencies_and_no_more() {
    let (world, made) = World::with_gold().await;
    let fill = "INSERT INTO currencies (code, exponent, name, fiat) SELECT 'Z' || n, 2, 'Zed', false \
                  FROM generate_series(1, 1000 - (SELECT count(*) FROM currencies)) n";
    sqlx::query(fill).execute(&world.served.database.pool).await.unwrap();
    let more = with(&gold(), json!({ "code": "XAG" }));
    world.post("/v1/currencies", &more).await.refused_naming(400, "FAILED_PRECONDITION", &["1000"]);
    assert_eq!(world.post("/v1/currencies", &gold()).await.ok(200), made);
    world.end().await;
}
