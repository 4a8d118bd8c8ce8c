//! Transactions of the native API: posts of one or more postings, reads, lists.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::shown::shown;
use super::super::{World, key, text, with};
use super::transaction;

/// Two postings, and every field.
fn lunch() -> Value {
    with(
        &transaction(&[("ann", "shop", "10"), ("ann", "tax", "1.8")]),
        json!({ "kind": "payment", "idempotencyKey": "any text", "reference": "o-1", "description": "Lunch", "metadata": { "till": "4" } }),
    )
}

/// With an account for the tax.
async fn started() -> World {
    let world = World::native().await;
    world.served.database.account("tax", 0).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_several_postings_reads_back_as_it_was_answered() {
    let world = started().await;
    let made = world.post("/v1/transactions", &lunch()).await.ok(201);
    insta::assert_json_snapshot!(shown(&made, &[]), @r#"
    {
      "replayed": false,
      "transaction": {
        "correlationId": "[id]",
        "createdAt": "[time]",
        "decline": null,
        "description": "Lunch",
        "id": "[id]",
        "idempotencyKey": "any text",
        "kind": "payment",
        "metadata": {
          "till": "4"
        },
        "postings": [
          {
            "amount": "10.00",
            "currency": "USD",
            "destinationAccountId": "shop",
            "destinationBalanceAfter": "10.00",
            "sourceAccountId": "ann",
            "sourceBalanceAfter": "90.00"
          },
          {
            "amount": "1.80",
            "currency": "USD",
            "destinationAccountId": "tax",
            "destinationBalanceAfter": "1.80",
            "sourceAccountId": "ann",
            "sourceBalanceAfter": "88.20"
          }
        ],
        "rate": null,
        "reference": "o-1",
        "refundOf": null,
        "reverses": null,
        "status": "completed"
      }
    }
    "#);
    let read = world.get(&format!("/v1/transactions/{}", text(&made["transaction"]["id"]))).await.ok(200);
    assert_eq!(shown(&made["transaction"], &[]), shown(&read, &[]), "it reads back as it was answered");
    let plain = world.post("/v1/transactions", &transaction(&[("ann", "shop", "1")])).await.ok(201);
    assert_eq!(plain["transaction"]["kind"], "transfer");
    for id in [key().as_str(), "no-uuid", "%00"] {
        let answer = world.get(&format!("/v1/transactions/{id}")).await;
        answer.refused_naming(404, "TRANSACTION_NOT_FOUND", &["Transaction not found"]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactions_key_is_answered_with_the_first_answer() {
    let world = started().await;
    let made = world.post("/v1/transactions", &lunch()).await.ok(201);
    let again = world.post("/v1/transactions", &with(&lunch(), json!({ "description": "other words" }))).await.ok(201);
    assert_eq!((&again["transaction"]["id"], &again["replayed"]), (&made["transaction"]["id"], &json!(true)));
    assert_eq!(again["transaction"]["description"], "Lunch", "the first answer");
    let other = world.post("/v1/transactions", &with(&lunch(), json!({ "kind": "fee" }))).await;
    other.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_moves_all_of_its_postings_or_none() {
    let world = started().await;
    world.post("/v1/transactions", &lunch()).await.ok(201);
    world.served.database.account_in("eva", 0, "EUR").await;
    let table = [
        (
            &[("ann", "shop", "88.21")][..],
            400,
            "INSUFFICIENT_FUNDS",
            "Insufficient funds in account ann. Available: 88.20, Required: 88.21",
        ),
        (&[("ann", "shop", "1"), ("tax", "nobody", "1")], 404, "ACCOUNT_NOT_FOUND", "Account not found: nobody"),
        (&[("ann", "shop", "1"), ("tax", "tax", "1")], 400, "SAME_ACCOUNT", "Cannot transfer to same account"),
        (
            &[("ann", "shop", "1"), ("tax", "eva", "1")],
            400,
            "CURRENCY_MISMATCH",
            "Currency mismatch. Expected: EUR, Got: USD",
        ),
    ];
    for (postings, status, code, message) in table {
        world.post("/v1/transactions", &transaction(postings)).await.refused(status, code, message);
    }
    let together = transaction(&[("ann", "shop", "80"), ("ann", "tax", "8.21")]);
    let answer = world.post("/v1/transactions", &together).await;
    answer.refused_naming(400, "INSUFFICIENT_FUNDS", &["Insufficient funds"]);
    assert_eq!(world.money("ann").await[0], "88.20");
    world.end().await;
}

/// Mutation: a fault of a posting that is not told with its place, or hides those of others.
#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_of_transactions_are_named() {
    let world = World::native().await;
    let good = transaction(&[("ann", "shop", "1"), ("ann", "shop", "2")]);
    let bad = |field: &str, value: Value| {
        let mut body = good.clone();
        body["postings"][1][field] = value;
        body
    };
    let many: Vec<_> = (0..101).map(|_| ("ann", "shop", "0.01")).collect();
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &["postings must be a list of 1 to 100 objects"]),
        (json!({ "postings": [] }), &["postings must be a list of 1 to 100 objects"]),
        (json!({ "postings": {} }), &["postings must be a list of 1 to 100 objects"]),
        (json!({ "postings": [1] }), &["postings must be a list of 1 to 100 objects"]),
        (transaction(&many), &["postings must be a list of 1 to 100 objects"]),
        (
            json!({ "postings": [{}] }),
            &[
                "postings[0].sourceAccountId is required",
                "postings[0].amount must be",
                "postings[0].currency is required",
            ],
        ),
        (bad("sourceAccountId", json!("a\u{0}")), &["postings[1].sourceAccountId", "U+0000"]),
        (
            bad("destinationAccountId", json!("x".repeat(129))),
            &["postings[1].destinationAccountId", "129 bytes", "128"],
        ),
        (bad("amount", json!("0")), &["postings[1].amount must be a positive decimal amount"]),
        (bad("amount", json!("1.001")), &["postings[1].amount \"1.001\" has more than the 2 decimals of USD"]),
        (bad("currency", json!("XYZ")), &["postings[1].currency \"XYZ\" is not a currency of this ledger"]),
        (bad("zzz", json!(1)), &["property postings[1].zzz should not exist"]),
        (with(&good, json!({ "kind": "hold" })), &["kind \"hold\" is not one of payment, transfer"]),
        (with(&good, json!({ "kind": 1 })), &["kind must be a string"]),
        (with(&good, json!({ "idempotencyKey": "x".repeat(256) })), &["idempotencyKey", "256 bytes", "255"]),
        (with(&good, json!({ "reference": "" })), &["reference should not be empty"]),
        (with(&good, json!({ "description": "\u{1}" })), &["description", "U+0001"]),
        (with(&good, json!({ "metadata": [] })), &["metadata must be an object of strings"]),
        (with(&good, json!({ "zzz": 1 })), &["property zzz should not exist"]),
    ];
    world.each_is_bad(Method::POST, "/v1/transactions", &table).await;
    let twice = r#"{"postings":[{"sourceAccountId":"ann","destinationAccountId":"shop","amount":"1","amount":"2","currency":"USD"}]}"#;
    world.post_raw("/v1/transactions", Some("application/json"), twice).await.refused_naming(
        400,
        "INVALID_ARGUMENT",
        &["postings.amount is given more than once"],
    );
    world.post_raw("/v1/transactions", Some("text/plain"), "{}").await.refused_naming(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        &[],
    );
    for (query, words) in [
        ("status=pending", vec!["status must be one of the following values: completed, declined"]),
        ("createdFrom=x", vec!["createdFrom \"x\" is not a time"]),
        (
            "createdFrom=2026-02-01T00:00:00Z&createdTo=2026-01-01T00:00:00Z",
            vec!["createdTo", "is not after createdFrom"],
        ),
        ("limit=0", vec!["limit"]),
        ("pageToken=x", vec!["pageToken"]),
        ("reference=", vec!["reference"]),
        ("accountId=%00", vec!["accountId"]),
    ] {
        world.get(&format!("/v1/transactions?{query}")).await.refused_naming(400, "INVALID_ARGUMENT", &words);
    }
    assert_eq!(world.money("ann").await[0], "100.00");
    world.end().await;
}

/// Mutations: a filter that is not part of the token; a page that loses what did not fit into it.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_listed_newest_first_filtered_and_paged() {
    let world = World::native().await;
    let mut made = Vec::new();
    for n in 0..9 {
        let (amount, status) = if n % 3 == 2 { ("1000", 400) } else { ("1", 201) };
        let body = with(&transaction(&[("ann", "shop", amount)]), json!({ "reference": format!("r{}", n % 2) }));
        let answer = world.post("/v1/transactions", &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 201 {
            made.insert(0, (text(&answer.body["transaction"]["id"]), n % 2));
        }
    }
    for size in [1, 2, 4, 50] {
        let list = async |query: &str| world.walk(&format!("/v1/transactions?limit={size}&{query}"), "id").await;
        assert_eq!(
            list("accountId=shop&status=completed").await,
            made.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
            "{size}"
        );
        assert_eq!(list("accountId=shop").await.len(), 9);
        assert_eq!(list("accountId=shop&status=declined").await.len(), 3);
        let odd: Vec<_> = made.iter().filter(|(_, n)| *n == 1).map(|(id, _)| id.clone()).collect();
        assert_eq!(list("reference=r1&status=completed").await, odd);
        assert!(list("accountId=shop&createdTo=2020-01-01T00:00:00Z").await.is_empty());
        assert_eq!(list("accountId=shop&createdFrom=2020-01-01T00:00:00Z").await.len(), 9);
    }
    let declined = world.get("/v1/transactions?accountId=shop&status=declined&limit=1").await.ok(200);
    let row = &declined["items"][0];
    assert_eq!(
        (&row["status"], &row["decline"]["code"], &row["postings"][0]["amount"]),
        (&json!("declined"), &json!("INSUFFICIENT_FUNDS"), &json!("1000.00"))
    );
    let token = text(&declined["nextPageToken"]);
    world.get(&format!("/v1/transactions?accountId=shop&pageToken={token}")).await.refused_naming(
        400,
        "INVALID_ARGUMENT",
        &["not a token of this query"],
    );
    world.end().await;
}
