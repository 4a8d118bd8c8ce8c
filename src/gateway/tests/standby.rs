//! What a node that does not lead says of commands: with a key it cannot know what became of them at the other one.

use serde_json::{Value, json};

use super::{KEY, call, open};

/// Mutation: a command of one of these runs outside its attempt: a standby then says of its predecessor's keys that
/// nothing was done.
#[tokio::test]
async fn a_standby_says_nothing_of_keys_and_all_else_was_not_done() {
    let router = open();
    let id = "01929b2a-0000-7000-8000-000000000000";
    let movement = json!({ "sourceAccountId": "a", "destinationAccountId": "b", "amount": "1", "currency": "USD" });
    let with = |change: Value| {
        let mut body = movement.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let lines = json!([{ "description": "tea", "quantity": "1", "unitPrice": "1" }]);
    for (path, body) in [
        ("/v1/transactions".to_owned(), json!({ "postings": [movement] })),
        ("/v1/holds".to_owned(), movement.clone()),
        (format!("/v1/holds/{id}/capture"), json!({})),
        (format!("/v1/holds/{id}/void"), json!({})),
        (format!("/v1/transactions/{id}/refund"), json!({})),
        (format!("/v1/transactions/{id}/reverse"), json!({})),
        ("/v1/exchanges".to_owned(), with(json!({ "destinationCurrency": "EUR" }))),
        ("/v1/invoices".to_owned(), json!({ "customerId": "c", "currency": "USD", "lines": lines })),
        ("/v1/invoices/1/issue".to_owned(), json!({})),
        ("/v1/invoices/1/pay".to_owned(), json!({})),
        ("/v1/invoices/1/void".to_owned(), json!({})),
        ("/v1/invoices/1/write-off".to_owned(), json!({})),
        ("/v1/invoices/1/credit".to_owned(), json!({})),
        ("/v1/payments".to_owned(), json!({ "customerId": "c", "currency": "USD", "amount": "1" })),
        ("/v1/customers/c/refund".to_owned(), json!({ "currency": "USD", "amount": "1" })),
    ] {
        for (key, codes) in [(None, ["STANDBY", "DATABASE_AWAY"]), (Some(KEY), ["OUTCOME_UNKNOWN"; 2])] {
            let mut body = body.clone();
            if let Some(key) = key {
                body["idempotencyKey"] = json!(key);
            }
            let said = call(&router, "POST", &path, &body.to_string()).await;
            let code = said.body["code"].as_str().unwrap_or_default();
            assert!(said.status == 503 && codes.contains(&code), "{path} with {key:?}: {}", said.text);
        }
    }
}
