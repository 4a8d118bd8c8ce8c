//! Lists of invoices, and those that are not paid in time.

use serde_json::{Value, json};

use super::Desk;
use crate::gateway::rest::text;

#[tokio::test(flavor = "multi_thread")]
async fn invoices_are_listed_by_customer_status_due_date_and_number() {
    let desk = Desk::open().await;
    let (first, second) = (desk.issued("c-1", "1").await, desk.issued("c-2", "2").await);
    let third = desk.draft("c-1", "3").await;
    desk.step(&second, "pay", json!({})).await.ok(200);
    let number = text(&desk.invoice(&first).await["number"]);
    let far = "2999-12-31";
    for (query, expected) in [
        (String::new(), vec![&third, &second, &first]),
        ("customerId=c-1".into(), vec![&third, &first]),
        ("status=draft".into(), vec![&third]),
        ("status=paid&kind=invoice".into(), vec![&second]),
        (format!("number={number}"), vec![&first]),
        ("number=INV-2999-000001".into(), vec![]),
        (format!("dueTo={far}&status=open"), vec![&first]),
        ("dueTo=2000-01-01".into(), vec![]),
        ("orderId=none".into(), vec![]),
    ] {
        let page = desk.world.get(&format!("/v1/invoices?{query}")).await.ok(200);
        let found: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let page = desk.world.get("/v1/invoices?limit=2").await.ok(200);
    let token = text(&page["nextPageToken"]);
    let page = desk.world.get(&format!("/v1/invoices?limit=2&pageToken={token}")).await.ok(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["nextPageToken"]), (1, &Value::Null));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_is_not_paid_in_time_is_noted_once() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "1").await;
    assert_eq!(desk.invoice(&id).await["overdue"], false);
    let mut connection = desk.pool.acquire().await.unwrap();
    for sql in [
        "SET session_replication_role = replica", // what is issued never changes
        "UPDATE invoices SET due_on = '2026-01-01'",
        "SET session_replication_role = origin",
    ] {
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    crate::harness::until("it is overdue", async || {
        !desk.invoice(&id).await["settlements"].as_array().unwrap().is_empty()
    })
    .await;
    let invoice = desk.invoice(&id).await;
    let settled = &invoice["settlements"][0];
    assert_eq!(
        (&settled["kind"], &settled["dueAfter"], &invoice["overdue"]),
        (&json!("overdue"), &json!("1.18"), &json!(true))
    );
    desk.step(&id, "pay", json!({})).await.ok(200);
    assert_eq!(desk.invoice(&id).await["settlements"].as_array().unwrap().len(), 2);
    desk.end().await;
}
