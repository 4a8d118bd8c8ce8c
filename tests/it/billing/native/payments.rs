//! The list of payments.

use super::*;

/// Invoices and amounts of a page, and its token.
fn page(answer: &Value) -> (Vec<(String, String)>, Option<String>) {
    let items = answer["items"].as_array().unwrap().iter();
    let shown = items.map(|item| (text(&item["invoiceId"]), text(&item["amount"]))).collect();
    (shown, answer["nextPageToken"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_by_customer_invoice_and_time_page_by_page() {
    let desk = Desk::open().await;
    let (first, second) = (desk.issued("c-1", "100").await, desk.issued("c-1", "50").await);
    let other = desk.issued("c-2", "10").await;
    desk.step(&first, "pay", json!({ "amount": "18.00" })).await.ok(200);
    desk.step(&other, "pay", json!({ "amount": "20.00" })).await.ok(200);
    desk.step(&other, "credit", json!({ "amount": "1" })).await.ok(200);
    let over_both = json!({ "customerId": "c-1", "currency": "USD", "amount": "160", "idempotencyKey": "p" });
    let paid = desk.world.post("/v1/payments", &over_both).await.ok(201);

    let of_first = [(second.clone(), "59.00"), (first.clone(), "100.00"), (first.clone(), "18.00")];
    let named = |list: &[(String, &str)]| list.iter().map(|(id, amount)| (id.clone(), (*amount).to_owned())).collect();
    let of_first: Vec<(String, String)> = named(&of_first);
    let of_other: Vec<(String, String)> = named(&[(other.clone(), "11.80")]);
    let list = async |query: &str| page(&desk.world.get(&format!("/v1/payments?{query}")).await.ok(200));
    assert_eq!(list("customerId=c-1").await, (of_first.clone(), None));
    assert_eq!(list("customerId=c-2").await, (of_other.clone(), None), "a credit note is no payment");
    assert_eq!(list(&format!("invoiceId={other}")).await.0, of_other);
    assert!(list(&format!("invoiceId={other}&customerId=c-1")).await.0.is_empty());
    assert!(list("createdTo=2026-01-01T00:00:00Z").await.0.is_empty());
    assert!(list("createdFrom=2999-01-01T00:00:00Z").await.0.is_empty());
    let all = list("createdFrom=2020-01-01T00:00:00Z&createdTo=2999-01-01T00:00:00Z").await.0;
    assert_eq!(all, [of_first[0].clone(), of_first[1].clone(), of_other[0].clone(), of_first[2].clone()]);

    let (mut shown, mut token) = (Vec::new(), String::new());
    loop {
        let (items, next) = list(&format!("limit=1{token}")).await;
        shown.extend(items);
        let Some(next) = next else { break };
        token = format!("&pageToken={next}");
    }
    assert_eq!(shown, all, "a page may end between two invoices of one payment");
    let stranger = format!("/v1/payments?customerId=c-1{token}");
    desk.world.get(&stranger).await.refused_naming(400, "INVALID_ARGUMENT", &["pageToken"]);
    desk.world.get("/v1/payments?invoiceId=x").await.refused_naming(400, "INVALID_ARGUMENT", &["invoiceId \"x\""]);

    let asked = pb::ListPaymentsRequest { customer_id: "c-1".into(), limit: 1, ..Default::default() };
    let got = desk.client().await.list_payments(asked).await.unwrap().into_inner();
    let item = &got.items[0];
    assert_eq!((&item.invoice_id, item.due_after.as_str(), item.excess.as_str()), (&second, "0.00", "0.00"));
    assert_eq!(json!(item.transaction_id), paid["transaction"]["id"]);
    assert!(item.number.starts_with("INV-") && !got.next_page_token.is_empty(), "{item:?}");
    let of_other = pb::ListPaymentsRequest { invoice_id: other, ..Default::default() };
    let got = desk.client().await.list_payments(of_other).await.unwrap().into_inner();
    assert_eq!((got.items[0].excess.as_str(), got.items[0].customer_id.as_str()), ("8.20", "c-2"));
    desk.end().await;
}
