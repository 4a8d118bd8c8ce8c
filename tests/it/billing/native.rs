//! Billing by the native API: drafts, invoices, payments, credit notes, customers, entities, tax rates.

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::billing_client::BillingClient;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::gateway::rest::client::Answer;
use crate::gateway::rest::shown::shown;
use crate::gateway::rest::{World, text, with};
use crate::harness::served::Served;

mod desk;
mod foreign;
mod keys;
mod papers;
mod payments;
mod settling;
mod tenants;

/// A Florin in which ann has 200 dollars and bob has 50.
struct Desk {
    world: World,
    pool: PgPool,
    grpc: String,
}

impl Desk {
    async fn open() -> Self {
        Self::of(Served::start().await).await
    }

    async fn of(served: Served) -> Self {
        served.database.account("ann", 200_00).await;
        served.database.account("bob", 50_00).await;
        let (pool, grpc) = (served.database.pool.clone(), format!("http://{}", served.runtime.grpc));
        Self { world: World::of(served).await, pool, grpc }
    }

    async fn draft(&self, customer: &str, price: &str) -> String {
        text(&self.world.post("/v1/invoices", &draft(customer, price)).await.ok(201)["invoice"]["id"])
    }

    /// The id of an invoice of so much, 18 % of tax on top.
    async fn issued(&self, customer: &str, price: &str) -> String {
        let id = self.draft(customer, price).await;
        self.step(&id, "issue", json!({})).await.ok(200);
        id
    }

    async fn step(&self, id: &str, what: &str, body: Value) -> Answer {
        self.world.post(&format!("/v1/invoices/{id}/{what}"), &body).await
    }

    async fn invoice(&self, id: &str) -> Value {
        self.world.get(&format!("/v1/invoices/{id}")).await.ok(200)
    }

    /// Status, due, paid.
    async fn state(&self, id: &str) -> [String; 3] {
        let invoice = self.invoice(id).await;
        ["status", "due", "paid"].map(|field| text(&invoice[field]))
    }

    async fn balance(&self, account: &str) -> String {
        let path = format!("/v1/accounts/{}", account.replace(' ', "%20"));
        text(&self.world.get(&path).await.ok(200)["balance"])
    }

    async fn client(&self) -> BillingClient<tonic::transport::Channel> {
        BillingClient::connect(self.grpc.clone()).await.unwrap()
    }

    async fn end(self) {
        self.world.end().await;
    }
}

pub fn draft(customer: &str, price: &str) -> Value {
    json!({
        "customerId": customer, "currency": "USD",
        "lines": [{ "description": "Consulting", "quantity": "1", "unitPrice": price }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_becomes_an_invoice_with_a_number_taxes_and_postings() {
    let desk = Desk::open().await;
    let new = with(
        &draft("c-1", "40"),
        json!({
            "lines": [
                { "description": "Consulting", "quantity": "2", "unitPrice": "40" },
                { "description": "Screws", "sku": "S-1", "quantity": "2.5", "unitPrice": "8.00" },
            ],
            "note": "Thank you", "dueDays": 10,
        }),
    );
    let made = &desk.world.post("/v1/invoices", &new).await.ok(201)["invoice"];
    assert_eq!((&made["status"], &made["total"], &made["number"]), (&json!("draft"), &json!("118.00"), &Value::Null));
    let id = text(&made["id"]);
    let answer = desk.step(&id, "issue", json!({ "idempotencyKey": "i-1" })).await.ok(200);
    assert_eq!(answer["replayed"], false);
    let postings = answer["transaction"]["postings"].as_array().unwrap();
    let posted: Vec<_> =
        postings.iter().map(|posting| (&posting["destinationAccountId"], &posting["amount"])).collect();
    let (revenue, tax) = (json!("Revenue:USD"), json!("Tax Payable:USD"));
    assert_eq!(posted, [(&revenue, &json!("100.00")), (&tax, &json!("18.00"))]);
    let again = desk.step(&id, "issue", json!({ "idempotencyKey": "i-1" })).await.ok(200);
    assert_eq!((&again["replayed"], &again["transaction"]["id"]), (&json!(true), &answer["transaction"]["id"]));
    desk.step(&id, "issue", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", &["open, not a draft"]);

    let invoice = desk.invoice(&id).await;
    let (number, due_on) = (text(&invoice["number"]), text(&invoice["dueOn"]));
    let year = number.strip_prefix("INV-").and_then(|rest| rest.strip_suffix("-000001")).expect("a number");
    assert!(year.parse::<i32>().is_ok(), "{number}");
    insta::assert_json_snapshot!(shown(&invoice, &[("number", &number), ("day", &due_on), ("invoice", &id)]), @r#"
    {
      "corrects": null,
      "credited": "0.00",
      "currency": "USD",
      "customerId": "c-1",
      "discount": null,
      "due": "118.00",
      "dueOn": "[day]",
      "entityId": "default",
      "exchange": null,
      "id": "[invoice]",
      "issuedAt": "[time]",
      "kind": "invoice",
      "lines": [
        {
          "description": "Consulting",
          "net": "80.00",
          "quantity": "2",
          "sku": null,
          "tax": "14.40",
          "taxCategory": null,
          "taxPercent": "18",
          "treatment": "standard",
          "unitPrice": "40"
        },
        {
          "description": "Screws",
          "net": "20.00",
          "quantity": "2.5",
          "sku": "S-1",
          "tax": "3.60",
          "taxCategory": null,
          "taxPercent": "18",
          "treatment": "standard",
          "unitPrice": "8.00"
        }
      ],
      "note": "Thank you",
      "number": "[number]",
      "orderId": null,
      "overdue": false,
      "paid": "0.00",
      "pricesIncludeTax": false,
      "region": null,
      "returned": "0.00",
      "settlements": [],
      "status": "open",
      "subtotal": "100.00",
      "tax": "18.00",
      "taxes": [
        {
          "net": "100.00",
          "percent": "18",
          "tax": "18.00",
          "treatment": "standard"
        }
      ],
      "total": "118.00",
      "version": 2,
      "writtenOff": "0.00"
    }
    "#);

    let got = desk.client().await.get_invoice(pb::GetInvoiceRequest { id: id.clone() }).await.unwrap().into_inner();
    let got = got.invoice.unwrap();
    assert_eq!(got.status(), pb::InvoiceStatus::Open);
    assert_eq!((got.number, got.total.as_str(), got.lines.len()), (number, "118.00", 2));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_change_and_go_and_what_is_issued_does_not() {
    let desk = Desk::open().await;
    let id = desk.draft("c-1", "10").await;
    let path = format!("/v1/invoices/{id}");
    let put = async |body: Value| desk.world.send(desk.world.request(Method::PUT, &path).json(&body)).await;
    let changed = put(with(&draft("c-2", "20"), json!({ "version": 1 }))).await.ok(200);
    assert_eq!(
        (&changed["total"], &changed["customerId"], &changed["version"]),
        (&json!("23.60"), &json!("c-2"), &json!(2))
    );
    put(with(&draft("c-2", "30"), json!({ "version": 1 }))).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["version 2"],
    );
    desk.step(&id, "issue", json!({})).await.ok(200);
    put(draft("c-2", "30")).await.refused_naming(400, "FAILED_PRECONDITION", &["not a draft"]);
    let delete =
        async |id: &str| desk.world.send(desk.world.request(Method::DELETE, &format!("/v1/invoices/{id}"))).await;
    delete(&id).await.refused_naming(400, "FAILED_PRECONDITION", &["not a draft"]);
    let other = desk.draft("c-1", "1").await;
    assert_eq!(delete(&other).await.status, 204);
    delete(&other).await.refused_naming(404, "INVOICE_NOT_FOUND", &[]);
    desk.step(&other, "issue", json!({})).await.refused_naming(404, "INVOICE_NOT_FOUND", &[]);
    let free = desk.issued("c-1", "0").await;
    assert_eq!(desk.state(&free).await, ["paid", "0.00", "0.00"], "nothing is due of nothing");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_in_part_and_to_the_end_and_what_is_too_much_is_the_customers_credit() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "100").await;
    let part = json!({ "sourceAccountId": "ann", "amount": "18.00", "idempotencyKey": "p-1" });
    let answer = desk.step(&id, "pay", part.clone()).await.ok(200);
    assert_eq!((&answer["invoice"]["due"], &answer["invoice"]["status"]), (&json!("100.00"), &json!("open")));
    let again = desk.step(&id, "pay", with(&part, json!({ "amount": "18" }))).await.ok(200);
    assert_eq!((&again["replayed"], &again["transaction"]["id"]), (&json!(true), &answer["transaction"]["id"]));
    desk.step(&id, "pay", with(&part, json!({ "amount": "19" }))).await.refused_naming(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        &[],
    );
    desk.step(&id, "void", json!({ "reason": "x" })).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["18.00 USD paid"],
    );

    let short = json!({ "sourceAccountId": "bob" });
    desk.step(&id, "pay", short).await.refused_naming(
        400,
        "INSUFFICIENT_FUNDS",
        &["Insufficient funds in account bob"],
    );
    assert_eq!(desk.state(&id).await, ["open", "100.00", "18.00"]);
    let over_grpc = pb::PayInvoiceRequest { id: id.clone(), source_account_id: "bob".into(), ..Default::default() };
    let declined = desk.client().await.pay_invoice(over_grpc).await.unwrap().into_inner();
    assert_eq!(declined.transaction.unwrap().status(), pb::TransactionStatus::Declined);

    let rest = pb::PayInvoiceRequest {
        id: id.clone(),
        source_account_id: "ann".into(),
        amount: "130".into(),
        idempotency_key: "p-2".into(),
        ..Default::default()
    };
    let paid = desk.client().await.pay_invoice(rest).await.unwrap().into_inner();
    assert_eq!(paid.invoice.unwrap().status(), pb::InvoiceStatus::Paid);
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "30.00");
    assert_eq!(desk.balance("ann").await, "52.00");
    desk.step(&id, "pay", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", &["is paid"]);

    let refund = json!({ "currency": "USD", "amount": "30", "destinationAccountId": "ann", "idempotencyKey": "r" });
    let path = "/v1/customers/c-1/refund";
    desk.world.post(path, &refund).await.ok(201);
    assert_eq!(desk.world.post(path, &refund).await.ok(201)["replayed"], true);
    assert_eq!(
        (desk.balance("ann").await, desk.balance("Customer Credit:c-1:USD").await),
        ("82.00".into(), "0.00".into())
    );
    let more = with(&refund, json!({ "idempotencyKey": "r2" }));
    desk.world.post(path, &more).await.refused_naming(400, "INSUFFICIENT_FUNDS", &[]);
    desk.end().await;
}

/// Mutation: without turns and versions, two of the payments see the same amount due.
#[tokio::test(flavor = "multi_thread")]
async fn payments_at_once_never_pay_an_invoice_twice() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "50").await;
    let pay = |n: usize| {
        let body = json!({ "amount": "10", "idempotencyKey": format!("k-{n}") });
        let (desk, id) = (&desk, &id);
        async move { desk.step(id, "pay", body).await }
    };
    let answers = join_all((0..12).map(pay)).await;
    let paid = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(paid, 6, "59 dollars are five payments and the rest");
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.text.contains("is paid")), "{answers:?}");
    assert_eq!(desk.state(&id).await, ["paid", "0.00", "59.00"]);
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "1.00");
    desk.end().await;
}

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
