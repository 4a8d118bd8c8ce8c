//! Customers, entities and tax rates; and what of billing is refused.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, draft, pb, text, with};

impl Desk {
    pub(super) async fn put(&self, path: &str, body: &Value) -> super::Answer {
        self.world.send(self.world.request(Method::PUT, path).json(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_made_changed_and_erased() {
    let desk = Desk::open().await;
    let new = json!({
        "id": "c-1", "email": "Ann@Example.com", "firstName": "Ann", "address": ["1 Road", "Town"], "region": "DE",
        "bornOn": "1990-12-31",
    });
    let made = desk.world.post("/v1/customers", &new).await.ok(201);
    assert_eq!(
        (&made["email"], &made["address"][1], &made["language"]),
        (&json!("ann@example.com"), &json!("Town"), &json!("en"))
    );
    desk.world.post("/v1/customers", &new).await.refused_naming(409, "ALREADY_EXISTS", &["customer c-1"]);
    let other = json!({ "email": "ann@example.com" });
    desk.world.post("/v1/customers", &other).await.refused_naming(409, "ALREADY_EXISTS", &["email address"]);
    let unnamed = desk.world.post("/v1/customers", &json!({})).await.ok(201);
    let changed = desk.world.patch("/v1/customers/c-1", &json!({ "lastName": "Lee", "bornOn": null })).await.ok(200);
    assert_eq!(
        (&changed["firstName"], &changed["lastName"], &changed["bornOn"]),
        (&json!("Ann"), &json!("Lee"), &Value::Null)
    );
    desk.world.patch("/v1/customers/none", &json!({})).await.refused_naming(404, "CUSTOMER_NOT_FOUND", &[]);

    let page = desk.world.get("/v1/customers?limit=1").await.ok(200);
    assert_eq!(page["items"][0]["id"], "c-1");
    let token = text(&page["nextPageToken"]);
    let page = desk.world.get(&format!("/v1/customers?limit=1&pageToken={token}")).await.ok(200);
    assert_eq!((&page["items"][0]["id"], &page["nextPageToken"]), (&unnamed["id"], &Value::Null));
    let found = desk.world.get("/v1/customers?email=ann@example.com").await.ok(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);

    let invoice = desk.issued("c-1", "1").await;
    let erased = desk.world.post("/v1/customers/c-1/erase", &json!({ "reason": "her wish" })).await.ok(200);
    assert_eq!((&erased["email"], &erased["firstName"], &erased["region"]), (&Value::Null, &json!(""), &json!("DE")));
    assert!(erased["erasedAt"].is_string());
    desk.world.patch("/v1/customers/c-1", &json!({ "firstName": "A" })).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["erased"],
    );
    assert_eq!(desk.invoice(&invoice).await["customerId"], "c-1", "the books stay");
    let actions = desk.world.get("/v1/operator-actions?subject=c-1").await.ok(200).to_string();
    assert!(!actions.to_lowercase().contains("ann"), "personal data are not kept with what operators did: {actions}");
    let request = pb::GetCustomerRequest { id: "c-1".into() };
    assert_eq!(desk.client().await.get_customer(request).await.unwrap().into_inner().customer.unwrap().region, "DE");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_number_their_documents_and_tax_rates_are_found_by_region_and_category() {
    let desk = Desk::open().await;
    let entity = json!({
        "name": "Second Ltd", "invoiceFormat": "S{seq:3}", "timeZone": "Asia/Tokyo", "paymentDays": 5, "region": "DE",
        "reason": "founded",
    });
    let made = desk.put("/v1/entities/second", &entity).await.ok(200);
    assert_eq!((&made["creditFormat"], &made["fiscalMonth"]), (&json!("CN-{year}-{seq:6}"), &json!(1)));
    let listed = desk.world.get("/v1/entities").await.ok(200);
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
    assert_eq!(ids, ["default", "max-stores", "second"]);
    for (change, words) in [
        (json!({ "invoiceFormat": "no sequence" }), "invoiceFormat"),
        (json!({ "timeZone": "Mars/Base" }), "timeZone \"Mars/Base\" is not a time zone"),
        (json!({ "fiscalMonth": 0 }), "fiscalMonth 0 is not from 1 to 12"),
        (json!({ "bookCurrency": "XXX" }), "bookCurrency \"XXX\""),
        (json!({ "name": null }), "name is required"),
    ] {
        desk.put("/v1/entities/second", &with(&entity, change)).await.refused_naming(400, "INVALID_ARGUMENT", &[words]);
    }

    let rate = json!({ "region": "DE", "percent": "19", "effectiveFrom": "2007-01-01" });
    desk.world.post("/v1/tax-rates", &rate).await.ok(201);
    desk.world.post("/v1/tax-rates", &rate).await.refused_naming(409, "ALREADY_EXISTS", &["2007-01-01", "DE"]);
    let books = with(&rate, json!({ "category": "books", "treatment": "exempt", "percent": null }));
    desk.world.post("/v1/tax-rates", &books).await.ok(201);
    for (change, words) in [
        (json!({ "percent": "1001" }), "percent \"1001\""),
        (json!({ "percent": null }), "percent is required"),
        (json!({ "percent": "-1" }), "percent \"-1\" is not a decimal"),
        (json!({ "treatment": "none" }), "treatment \"none\" is not one of"),
        (json!({ "treatment": "exempt" }), "must be 0 or left out"),
        (json!({ "effectiveFrom": "2007-13-01" }), "effectiveFrom \"2007-13-01\" is not a day"),
    ] {
        desk.world.post("/v1/tax-rates", &with(&rate, change)).await.refused_naming(400, "INVALID_ARGUMENT", &[words]);
    }
    let new = with(
        &draft("c-1", "100"),
        json!({
            "entityId": "second", "discount": "20",
            "lines": [
                { "description": "Work", "quantity": "1", "unitPrice": "100" },
                { "description": "Book", "quantity": "1", "unitPrice": "100", "taxCategory": "books" },
            ],
        }),
    );
    let id = text(&desk.world.post("/v1/invoices", &new).await.ok(201)["invoice"]["id"]);
    desk.step(&id, "issue", json!({})).await.ok(200);
    let invoice = desk.invoice(&id).await;
    let figures = ["number", "subtotal", "tax", "total"].map(|field| text(&invoice[field]));
    assert_eq!(figures, ["S001", "180.00", "17.10", "197.10"]);
    assert_eq!(desk.balance("second%2FAccounts Receivable:c-1:USD").await, "-197.10", "credits less debits");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_draft_or_a_payment_is_named() {
    let desk = Desk::open().await;
    let good = draft("c-1", "1");
    let line = |fields: Value| json!({ "lines": [with(&good["lines"][0], fields)] });
    for (change, words) in [
        (json!({ "customerId": null }), "customerId is required"),
        (json!({ "currency": "XXX" }), "currency \"XXX\" is not a currency"),
        (json!({ "lines": [] }), "lines must be a list of 1 to 500 objects"),
        (line(json!({ "quantity": "-1" })), "lines[0].quantity \"-1\" is not a decimal"),
        (line(json!({ "unitPrice": "one" })), "lines[0].unitPrice \"one\" is not a decimal"),
        (line(json!({ "description": null })), "lines[0].description is required"),
        (line(json!({ "colour": "red" })), "property lines[0].colour should not exist"),
        (json!({ "discount": "2" }), "discount \"2.00\" is not from 0 to 1.00"),
        (json!({ "dueDays": 3651 }), "dueDays must be a whole number from 0 to 3650"),
    ] {
        desk.world.post("/v1/invoices", &with(&good, change)).await.refused_naming(400, "INVALID_ARGUMENT", &[words]);
    }
    let unknown = with(&good, json!({ "entityId": "none" }));
    desk.world.post("/v1/invoices", &unknown).await.refused_naming(404, "NOT_FOUND", &["Entity not found: none"]);
    let id = desk.issued("c-2", "1").await;
    let payment = json!({ "customerId": "c-1", "currency": "USD", "amount": "1" });
    for (change, status, words) in [
        (json!({ "amount": "0" }), 400, "amount must be a positive"),
        (json!({ "invoiceIds": [id] }), 400, "is an invoice of customer c-2"),
        (json!({ "invoiceIds": ["77777"] }), 404, "Invoice not found: 77777"),
        (json!({ "invoiceIds": "77777" }), 400, "invoiceIds must be a list of up to 1000 strings"),
    ] {
        desk.world.post("/v1/payments", &with(&payment, change)).await.refused_naming(status, "", &[words]);
    }
    for (what, body, words) in [
        ("pay", json!({ "amount": "0.001" }), "more than the 2 decimals"),
        ("pay", json!({ "amount": "-1" }), "amount must be a positive"),
        ("credit", json!({ "amount": "5" }), "5.00 USD is more than the 1.18 USD"),
    ] {
        desk.step(&id, what, body).await.refused_naming(400, "", &[words]);
    }
    desk.step("none", "pay", json!({})).await.refused_naming(404, "INVOICE_NOT_FOUND", &["none"]);
    let unknown = json!({ "sourceAccountId": "nobody" });
    desk.step(&id, "pay", unknown).await.refused_naming(404, "ACCOUNT_NOT_FOUND", &["nobody"]);
    desk.end().await;
}
