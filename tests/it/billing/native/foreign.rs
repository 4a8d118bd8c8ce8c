//! Invoices in another currency than that of their books, and a customer's credit.

use serde_json::{Value, json};

use super::{Desk, draft, text, with};

impl Desk {
    /// An entity with its books in euros, and one dollar at this rate now.
    async fn books_in_euros(&self) {
        let entity = json!({ "name": "Florin", "bookCurrency": "EUR" });
        self.put("/v1/entities/default", &entity).await.ok(200);
        self.rate("0.71268").await;
    }

    async fn rate(&self, rate: &str) {
        let rate = json!({ "base": "USD", "quote": "EUR", "rate": rate, "source": "test" });
        self.world.post("/v1/rates", &rate).await.ok(201);
    }

    async fn exempt(&self) {
        let rate = json!({ "treatment": "exempt", "percent": "0", "effectiveFrom": "2020-01-01" });
        self.world.post("/v1/tax-rates", &rate).await.ok(201);
    }

    async fn balances<const N: usize>(&self, accounts: [&str; N]) -> Vec<String> {
        let mut all = Vec::with_capacity(N);
        for account in accounts {
            all.push(self.balance(account).await);
        }
        all
    }
}

/// Row 24 of the specification's table (Oracle JDE): 500 at .71268 are booked, at .70882 they are paid: a loss of 1.93.
/// Mutation: with `worth` rounded down a cent is missing from the receivable of an open invoice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_at_another_rate_than_was_booked_is_a_gain_or_a_loss() {
    let desk = Desk::open().await;
    desk.books_in_euros().await;
    desk.exempt().await;
    let id = desk.issued("c-1", "500").await;
    assert_eq!(desk.balance("Accounts Receivable:c-1:EUR").await, "-356.34");
    desk.rate("0.70882").await;
    let answer = desk.step(&id, "pay", json!({})).await.ok(200);
    assert_eq!(
        (&answer["invoice"]["status"], &answer["transaction"]["rate"]["rate"]),
        (&json!("paid"), &json!("0.70882"))
    );
    let accounts = ["Accounts Receivable:c-1:EUR", "FX Loss:EUR", "Cash Clearing:USD", "clearing:USD", "clearing:EUR"];
    assert_eq!(desk.balances(accounts).await, ["0.00", "-1.93", "-500.00", "500.00", "-354.41"]);

    let id = desk.issued("c-1", "500").await; // booked at .70882
    desk.rate("0.72").await;
    let pay = |source: Value, amount: &str| {
        let body = with(&source, json!({ "amount": amount }));
        async { desk.step(&id, "pay", body).await }
    };
    pay(json!({ "sourceAccountId": "ann" }), "100.01").await.ok(200);
    pay(json!({ "sourceAccountId": "ann" }), "100").await.refused_naming(
        400,
        "INSUFFICIENT_FUNDS",
        &["Insufficient funds"],
    );
    pay(json!({}), "399.99").await.ok(200);
    assert_eq!(desk.state(&id).await, ["paid", "0.00", "500.00"]);
    assert_eq!(desk.balances(["Accounts Receivable:c-1:EUR", "FX Gain:EUR"]).await, ["0.00", "5.58"]);

    let open = desk.issued("c-1", "100").await; // of which 99.98 are due: 71.9856
    desk.step(&open, "pay", json!({ "amount": "0.02" })).await.ok(200);
    assert_eq!(desk.balance("Accounts Receivable:c-1:EUR").await, "-71.99");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_of_another_currency_can_be_credited_voided_and_given_up_to_the_cent() {
    let desk = Desk::open().await;
    desk.books_in_euros().await;
    let books = ["Accounts Receivable:c-1:EUR", "Revenue:EUR", "Tax Payable:EUR"];

    let void = desk.issued("c-1", "33.33").await;
    assert_eq!(desk.balances(books).await, ["-28.03", "23.75", "4.28"]);
    desk.rate("0.9").await;
    desk.step(&void, "void", json!({})).await.ok(200);
    assert_eq!(desk.balances(books).await, ["0.00"; 3]);

    let credited = desk.issued("c-1", "33.33").await; // 39.33 of dollars, at .9
    desk.rate("0.8").await;
    for part in ["13.11", "0.01", "26.21"] {
        desk.step(&credited, "credit", json!({ "amount": part })).await.ok(200);
    }
    assert_eq!(desk.balances(books).await, ["0.00"; 3]);

    let given_up = desk.issued("c-1", "33.33").await;
    desk.step(&given_up, "write-off", json!({})).await.ok(200);
    assert_eq!(desk.balances(["Accounts Receivable:c-1:EUR", "Bad Debt:EUR"]).await, ["0.00", "-26.66"]);
    desk.step(&given_up, "pay", json!({ "amount": "20" })).await.ok(200);
    desk.step(&given_up, "pay", json!({})).await.ok(200);
    assert_eq!(desk.state(&given_up).await[0], "paid");
    assert_eq!(desk.balances(["Accounts Receivable:c-1:EUR", "Bad Debt:EUR"]).await, ["0.00", "0.00"]);

    let returned = desk.issued("c-1", "100").await;
    desk.step(&returned, "pay", json!({ "amount": "68" })).await.ok(200);
    let note = desk.step(&returned, "credit", json!({})).await.ok(200)["creditNote"].clone();
    assert_eq!(note["total"], "118.00");
    let left = ["Accounts Receivable:c-1:EUR", "Customer Credit:c-1:EUR"];
    assert_eq!(desk.balances(left).await, ["0.00", "54.40"], "what was paid is a credit in the books' currency");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_pays_invoices_of_both_kinds_of_books() {
    let desk = Desk::open().await;
    let own = desk.issued("c-1", "10").await;
    desk.books_in_euros().await;
    let foreign = [desk.issued("c-1", "10").await, desk.issued("c-1", "20").await];
    let payment = json!({ "customerId": "c-1", "currency": "USD", "amount": "50", "sourceAccountId": "ann" });
    let paid = desk.world.post("/v1/payments", &payment).await.ok(201);
    assert_eq!((paid["invoices"].as_array().unwrap().len(), &paid["excess"]), (3, &json!("2.80")));
    for id in foreign.iter().chain([&own]) {
        assert_eq!(desk.state(id).await[0], "paid");
    }
    let accounts = ["Accounts Receivable:c-1:EUR", "Accounts Receivable:c-1:USD", "Customer Credit:c-1:USD"];
    assert_eq!(desk.balances(accounts).await, ["0.00", "0.00", "2.80"]);
    desk.end().await;
}

/// Mutation: what arrives is rounded to the nearest (a cent is made of each part), or a part that comes to nothing is
/// refused (the last cent can never be paid).
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_parts_makes_no_money_by_rounding() {
    let desk = Desk::open().await;
    desk.exempt().await;
    desk.put("/v1/entities/default", &json!({ "name": "Florin", "bookCurrency": "EUR" })).await.ok(200);
    desk.rate("0.9").await;
    let id = desk.issued("c-1", "0.04").await;
    for _ in 0..4 {
        desk.step(&id, "pay", json!({ "amount": "0.01" })).await.ok(200); // worth 0.9 of a cent
    }
    assert_eq!(desk.state(&id).await, ["paid", "0.00", "0.04"]);
    let accounts = ["clearing:USD", "FX Loss:EUR", "Accounts Receivable:c-1:EUR"];
    assert_eq!(desk.balances(accounts).await, ["0.04", "-0.04", "0.00"]);
    desk.world.get("/v1/accounts/clearing:EUR").await.refused_naming(404, "ACCOUNT_NOT_FOUND", &[]); // nothing arrived
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rate_nothing_is_issued_and_nothing_is_paid() {
    let desk = Desk::open().await;
    desk.put("/v1/entities/default", &json!({ "name": "Florin", "bookCurrency": "EUR" })).await.ok(200);
    let id = desk.draft("c-1", "10").await;
    let none = &["no rate from USD to EUR"];
    desk.step(&id, "issue", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", none);
    desk.rate("0.9").await;
    desk.step(&id, "issue", json!({})).await.ok(200);
    assert_eq!(desk.invoice(&id).await["exchange"]["rate"], "0.9");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_credit_pays_an_invoice_as_far_as_it_goes() {
    let desk = Desk::open().await;
    let too_much = json!({ "customerId": "c-1", "currency": "USD", "amount": "15" });
    desk.world.post("/v1/payments", &too_much).await.ok(201);
    let id = desk.issued("c-1", "10").await; // 11.80
    let key = json!({ "fromCredit": true, "amount": "5", "idempotencyKey": "k" });
    let paid = desk.step(&id, "pay", key.clone()).await.ok(200);
    assert_eq!(paid["transaction"]["postings"][0]["sourceAccountId"], "Customer Credit:c-1:USD");
    assert_eq!(desk.step(&id, "pay", key).await.ok(200)["replayed"], true);
    let credit = |change: Value| with(&json!({ "fromCredit": true }), change);
    desk.step(&id, "pay", credit(json!({ "amount": "6.81" }))).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["6.80 USD"],
    );
    let both = credit(json!({ "sourceAccountId": "ann" }));
    desk.step(&id, "pay", both).await.refused_naming(400, "INVALID_ARGUMENT", &["fromCredit", "sourceAccountId"]);
    desk.step(&id, "pay", credit(json!({}))).await.ok(200);
    assert_eq!(desk.state(&id).await, ["paid", "0.00", "11.80"]);
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "3.20");

    let second = desk.issued("c-1", "10").await;
    let short = &["Customer Credit:c-1:USD"];
    desk.step(&second, "pay", credit(json!({}))).await.refused_naming(400, "INSUFFICIENT_FUNDS", short);
    assert_eq!(desk.state(&second).await, ["open", "11.80", "0.00"]);
    let facts: Vec<(i16, Value)> = sqlx::query_as("SELECT event, body -> 'invoices' FROM journal WHERE event = 16")
        .fetch_all(&desk.pool)
        .await
        .unwrap();
    let [(_, invoices)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((text(&invoices[0]["id"]), text(&invoices[0]["amount"])), (second, "1180".into()));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_in_any_currency() {
    let desk = Desk::open().await;
    desk.books_in_euros().await;
    let euros = with(&draft("c-1", "10"), json!({ "currency": "EUR" }));
    let id = text(&desk.world.post("/v1/invoices", &euros).await.ok(201)["invoice"]["id"]);
    let issued = desk.step(&id, "issue", json!({})).await.ok(200);
    assert_eq!(issued["invoice"]["exchange"], Value::Null);
    desk.end().await;
}
