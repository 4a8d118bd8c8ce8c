//! The header `Idempotency-Key` in place of the body's key.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::client::Answer;
use super::super::{World, with};
use super::{hold, transaction};

impl World {
    async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.send(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }
}

/// Fails when the header is not the key, when the body's may be another one, or when a call that has no key takes the
/// header and does it twice all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_stand_in_the_header() {
    let world = World::native().await;
    let held = world.held("30").await;
    let capture = format!("/v1/holds/{held}/capture");
    let draft = json!({
        "customerId": "c-1", "currency": "USD", "lines": [{ "description": "x", "quantity": "1", "unitPrice": "2" }],
    });
    for (n, (path, body, status)) in [
        ("/v1/transactions", transaction(&[("ann", "shop", "1")]), 201),
        ("/v1/holds", hold("ann", "shop", "1"), 201),
        (capture.as_str(), json!({ "amount": "1" }), 201),
        ("/v1/invoices", draft, 201),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k-{n}");
        let first = world.post_with_key(path, &body, &key).await.ok(status);
        assert_eq!(first["replayed"], false, "{path}");
        for (body, key) in
            [(body.clone(), format!("\"{key}\"")), (with(&body, json!({ "idempotencyKey": key })), key.clone())]
        {
            assert_eq!(world.post_with_key(path, &body, &key).await.ok(status)["replayed"], true, "{path} {key}");
        }
        let by_body = world.post(path, &with(&body, json!({ "idempotencyKey": key }))).await.ok(status);
        assert_eq!(by_body["replayed"], true, "{path}: it is one key, wherever it stands");
        let words = ["header Idempotency-Key \"other\" is another key than idempotencyKey in the body"];
        let other = with(&body, json!({ "idempotencyKey": key }));
        world.post_with_key(path, &other, "other").await.refused_naming(400, "INVALID_ARGUMENT", &words);
        let long = "k".repeat(256);
        world.post_with_key(path, &body, &long).await.refused_naming(400, "INVALID_ARGUMENT", &["255"]);
        world.post_with_key(path, &body, "").await.refused_naming(400, "INVALID_ARGUMENT", &["idempotencyKey"]);
    }
    let twice = world.request(Method::POST, "/v1/holds").header("Idempotency-Key", "a").header("Idempotency-Key", "a");
    let twice = world.send(twice.json(&hold("ann", "shop", "1"))).await;
    twice.refused_naming(400, "INVALID_ARGUMENT", &["Idempotency-Key is given more than once"]);
    let customer = json!({ "email": "ann@example.com", "firstName": "Ann" });
    let words = ["header Idempotency-Key is not taken: this call has no key"];
    world.post_with_key("/v1/customers", &customer, "k").await.refused_naming(400, "INVALID_ARGUMENT", &words);
    assert_eq!(world.money("shop").await[0], "2.00", "each moved money once");
    world.end().await;
}
