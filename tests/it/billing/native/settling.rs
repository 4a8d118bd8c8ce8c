//! Payments over several invoices, credit notes, and what is given up.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{Desk, draft, pb, text, with};

// Fails when what is so already is refused, or posted once more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_recorded_and_may_be_paid_after_all() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "100").await;
    let marked = desk.step(&id, "mark-uncollectible", json!({ "reason": "gone", "idempotencyKey": "m" })).await.ok(200);
    assert_eq!((&marked["invoice"]["status"], &marked["transaction"]), (&json!("uncollectible"), &Value::Null));
    let again = desk.step(&id, "mark-uncollectible", json!({ "idempotencyKey": "m" })).await.ok(200);
    assert_eq!(again["replayed"], true);
    let unkeyed = desk.step(&id, "mark-uncollectible", json!({})).await.ok(200);
    assert_eq!(unkeyed, again, "it is so already");
    let given_up = desk.step(&id, "write-off", json!({ "reason": "bankrupt" })).await.ok(200);
    for what in ["write-off", "mark-uncollectible"] {
        let again = desk.step(&id, what, json!({ "idempotencyKey": what })).await.ok(200);
        let of_the_first = if what == "write-off" { given_up["transaction"]["id"].clone() } else { Value::Null };
        assert_eq!((&again["replayed"], &again["transaction"]["id"]), (&json!(true), &of_the_first), "{what}");
    }
    assert_eq!(desk.state(&id).await, ["uncollectible", "0.00", "0.00"]);
    assert_eq!(desk.balance("Accounts Receivable:c-1:USD").await, "0.00");
    desk.step(&id, "pay", json!({})).await.ok(200);
    assert_eq!(desk.state(&id).await, ["paid", "0.00", "118.00"]);

    let wrong = desk.issued("c-1", "7").await;
    let void = desk.step(&wrong, "void", json!({ "reason": "a mistake" })).await.ok(200);
    assert_eq!(desk.step(&wrong, "void", json!({})).await.ok(200), with(&void, json!({ "replayed": true })));
    assert_eq!(desk.state(&wrong).await, ["void", "0.00", "0.00"]);
    desk.step(&wrong, "pay", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", &["is void"]);

    let actions = desk.world.get("/v1/operator-actions").await.ok(200);
    let told: Vec<_> = actions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (text(&item["action"]), text(&item["reason"])))
        .collect();
    for (action, reason) in [
        ("invoice.uncollectible", "gone"),
        ("invoice.write_off", "bankrupt"),
        ("invoice.void", "a mistake"),
        ("invoice.issue", ""),
        ("invoice.draft", ""),
    ] {
        assert!(told.contains(&(action.into(), reason.into())), "{action} is not in {told:?}");
    }
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_note_takes_off_what_is_due_and_gives_back_what_was_paid() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "100").await;
    desk.step(&id, "pay", json!({ "sourceAccountId": "ann", "amount": "100" })).await.ok(200);
    let part = json!({ "amount": "28", "reason": "broken", "idempotencyKey": "c-1" });
    let answer = desk.step(&id, "credit", part.clone()).await.ok(200);
    let (invoice, note) = (&answer["invoice"], &answer["creditNote"]);
    let figures = ["status", "due", "credited", "returned"].map(|field| text(&invoice[field]));
    assert_eq!(figures, ["paid", "0.00", "18.00", "10.00"]);
    assert_eq!(
        (&note["corrects"], &note["kind"], &note["total"]),
        (&json!(id), &json!("credit_note"), &json!("28.00"))
    );
    assert_eq!((&note["subtotal"], &note["tax"], &note["note"]), (&json!("23.73"), &json!("4.27"), &json!("broken")));
    assert!(text(&note["number"]).starts_with("CN-") && text(&note["number"]).ends_with("-000001"), "{note}");
    assert_eq!(desk.balance("Customer Credit:c-1:USD").await, "10.00");
    let again = desk.step(&id, "credit", part).await.ok(200);
    assert_eq!((&again["replayed"], &again["creditNote"]["id"]), (&json!(true), &note["id"]));
    desk.step(&id, "credit", json!({ "amount": "90.01" })).await.refused_naming(
        400,
        "FAILED_PRECONDITION",
        &["90.00 USD"],
    );
    let last = desk.step(&id, "credit", json!({})).await.ok(200);
    assert_eq!(last["creditNote"]["total"], "90.00");
    assert_eq!(
        (desk.balance("Revenue:USD").await, desk.balance("Tax Payable:USD").await),
        ("0.00".into(), "0.00".into()),
        "the last one takes exactly the rest"
    );
    desk.step(&id, "credit", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", &["nothing is left"]);
    let notes = desk.world.get("/v1/invoices?kind=credit_note").await.ok(200);
    assert_eq!(notes["items"].as_array().unwrap().len(), 2);
    let settlements = desk.invoice(&id).await["settlements"].clone();
    let kinds: Vec<_> = settlements.as_array().unwrap().iter().map(|settled| text(&settled["kind"])).collect();
    assert_eq!(kinds, ["payment", "credit_note", "credit_note"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_pays_the_named_invoice_then_the_oldest_and_the_rest_is_credit() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for days in [30, 10, 20] {
        let new = with(&draft("c-1", "100"), json!({ "dueDays": days }));
        let id = text(&desk.world.post("/v1/invoices", &new).await.ok(201)["invoice"]["id"]);
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
