//! A draft under an idempotency key.

use super::*;

impl Desk {
    async fn drafts(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM invoices").fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_under_a_key_is_written_once_over_either_wire() {
    let desk = Desk::open().await;
    let new = with(&draft("c-1", "40"), json!({ "idempotencyKey": "d-1" }));
    let post = async |body: &Value| desk.world.post("/v1/invoices", body).await;
    let first = post(&new).await.ok(201);
    assert_eq!((&first["replayed"], &first["invoice"]["total"]), (&json!(false), &json!("47.20")));
    let again = post(&new).await.ok(201);
    assert_eq!((&again["replayed"], &again["invoice"]), (&json!(true), &first["invoice"]));
    post(&with(&new, json!({ "customerId": "c-2" }))).await.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    let long = "k".repeat(256);
    post(&with(&new, json!({ "idempotencyKey": long }))).await.refused_naming(400, "INVALID_ARGUMENT", &["255"]);

    let line = pb::NewInvoiceLine {
        description: "Consulting".into(),
        quantity: "1".into(),
        unit_price: "40".into(),
        ..Default::default()
    };
    let over_grpc = pb::CreateInvoiceRequest {
        customer_id: "c-1".into(),
        currency: "USD".into(),
        lines: vec![line],
        idempotency_key: "d-1".into(),
        ..Default::default()
    };
    let mut client = desk.client().await;
    let same = client.create_invoice(over_grpc.clone()).await.unwrap().into_inner();
    assert_eq!((same.replayed, json!(same.invoice.unwrap().id)), (true, first["invoice"]["id"].clone()));
    let other = pb::CreateInvoiceRequest { note: "more".into(), ..over_grpc.clone() };
    assert_eq!(client.create_invoice(other).await.unwrap_err().code(), tonic::Code::Aborted);
    let wrong = pb::CreateInvoiceRequest { idempotency_key: long, ..over_grpc };
    let refused = client.create_invoice(wrong).await.unwrap_err();
    assert!(refused.message().contains("idempotency_key"), "{refused}");
    assert_eq!(desk.drafts().await, 1);

    let id = text(&first["invoice"]["id"]);
    desk.step(&id, "issue", json!({ "idempotencyKey": "d-1" })).await.ok(200);
    let issued = post(&new).await.ok(201);
    assert_eq!((&issued["replayed"], &issued["invoice"]["status"]), (&json!(true), &json!("open")));
    for _ in 0..2 {
        post(&draft("c-1", "40")).await.ok(201);
    }
    assert_eq!(desk.drafts().await, 3, "without a key every call is another draft");
    desk.end().await;
}

/// Mutation: without the unique index, several find the key free at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn repeats_at_once_write_one_draft() {
    let desk = Desk::open().await;
    let new = with(&draft("c-1", "40"), json!({ "idempotencyKey": "d-1" }));
    let answers = join_all((0..12).map(|_| desk.world.post("/v1/invoices", &new))).await;
    let answers: Vec<Value> = answers.into_iter().map(|answer| answer.ok(201)).collect();
    assert_eq!(answers.iter().filter(|answer| answer["replayed"] == false).count(), 1);
    assert!(answers.iter().all(|answer| answer["invoice"]["id"] == answers[0]["invoice"]["id"]));
    assert_eq!(desk.drafts().await, 1);
    let id = text(&answers[0]["invoice"]["id"]);
    let deleted = desk.world.send(desk.world.request(Method::DELETE, &format!("/v1/invoices/{id}"))).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(desk.world.post("/v1/invoices", &new).await.ok(201)["replayed"], false, "the key is free again");
    desk.end().await;
}
