//! Payments of customers, allocated to their invoices.

use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use serde_json::json;

use super::{Desk, draft};
use crate::gateway::rest::{text, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_pays_the_named_invoice_then_the_oldest_and_the_rest_is_credit() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for days in [30, 10, 20] {
        let new = with(&draft("c-1", "100"), json!({ "dueDays": days }));
        let id = text(&desk.world.post("/v1/invoices", &new).await.ok(201)["id"]);
        desk.step(&id, "issue", json!({})).await.ok(200);
        ids.push(id);
    }
    let payment = json!({
        "customerId": "c-1", "currency": "USD", "amount": "150", "sourceAccountId": "ann", "invoiceIds": [ids[0]],
        "idempotencyKey": "p",
    });
    let answer = desk.world.post("/v1/payments", &payment).await.ok(201);
    let paid: Vec<_> = answer["invoices"].as_array().unwrap().iter().map(|invoice| text(&invoice["id"])).collect();
    assert_eq!(paid, [ids[0].clone(), ids[1].clone()]);
    assert_eq!(answer["excess"], "0.00");
    assert_eq!(desk.state(&ids[1]).await, ["open", "86.00", "32.00"]);
    let again = desk.world.post("/v1/payments", &payment).await.ok(201);
    assert_eq!((&again["replayed"], &again["transaction"]["id"]), (&json!(true), &answer["transaction"]["id"]));
    let request = pb::ReceivePaymentRequest {
        customer_id: "c-1".into(),
        currency: "USD".into(),
        amount: "300".into(),
        ..Default::default()
    };
    let rest = desk.client().await.receive_payment(request.clone()).await.unwrap().into_inner();
    assert_eq!((rest.invoices.len(), rest.excess.as_str()), (2, "96.00"));
    let credit = desk.client().await.receive_payment(request).await.unwrap().into_inner();
    assert_eq!((credit.invoices.len(), credit.excess.as_str()), (0, "300.00"));
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "396.00");
    desk.end().await;
}

/// Mutation: without `decided_again` some are refused because an invoice changed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn payments_of_a_customer_at_once_pay_each_invoice_once() {
    let desk = Desk::open().await;
    for _ in 0..4 {
        desk.issued("c-1", "10").await;
    }
    let pay = |n: usize| {
        let body =
            json!({ "customerId": "c-1", "currency": "USD", "amount": "15", "idempotencyKey": format!("k-{n}") });
        let desk = &desk;
        async move { desk.world.post("/v1/payments", &body).await.ok(201) }
    };
    join_all((0..4).map(pay)).await;
    assert_eq!(desk.balance("Accounts Receivable:c-1:USD").await, "0.00");
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "12.80");
    desk.end().await;
}
