//! Events of billing, and what the orders contract gets of them.

use super::super::{BillingFacts, DocumentFacts, SettlementFacts};
use super::*;
use crate::money::{Currency, CurrencyCode};
use crate::protocol::record::{DocumentKind, SettlementKind};

fn usd() -> Currency {
    Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 }
}

fn document(kind: DocumentKind) -> DocumentFacts {
    DocumentFacts {
        id: 7,
        number: "INV-2026-000007".into(),
        kind,
        entity: "default".into(),
        customer: "walk-in".into(),
        source: Some("order-1".into()),
        currency: usd(),
        subtotal: 10_000,
        tax: 1_800,
        total: 11_800,
        due_on: "2026-12-20".parse().ok(),
        corrects: (kind == DocumentKind::CreditNote).then_some(5),
    }
}

fn settlement(kind: SettlementKind, due_after: i128, status_after: &'static str) -> SettlementFacts {
    SettlementFacts {
        invoice: 5,
        number: "INV-2026-000005".into(),
        customer: "walk-in".into(),
        source: Some("order-0".into()),
        currency: usd(),
        kind,
        amount: 1_180,
        excess: 0,
        due_after,
        status_after,
    }
}

fn billed<'a>(event: EventType, kind: Kind, facts: &'a BillingFacts) -> LiveEvent {
    let found = |id| named(id).map(|named: &Named| -> &'a Named { Box::leak(Box::new(named.clone())) });
    render(&[own(event, kind)], found, |_| Some(facts)).unwrap()
}

#[test]
fn every_event_of_billing_is_as_its_schema_and_its_copy_as_the_contracts() {
    let issued = |kind| BillingFacts { document: Some(document(kind)), settlements: Vec::new() };
    let credited = BillingFacts {
        document: Some(document(DocumentKind::CreditNote)),
        settlements: vec![settlement(SettlementKind::CreditNote, 0, "paid")],
    };
    let settled = |kind, due, status| BillingFacts { document: None, settlements: vec![settlement(kind, due, status)] };
    for (event, kind, facts, copy) in [
        (EventType::InvoiceIssued, Kind::INVOICE, issued(DocumentKind::Invoice), "invoice_created"),
        (EventType::CreditNoteIssued, Kind::CREDIT_NOTE, credited, "credit_note_created"),
        (EventType::InvoicePaid, Kind::INVOICE_PAYMENT, settled(SettlementKind::Payment, 5, "open"), "invoice_paid"),
        (EventType::InvoiceVoided, Kind::INVOICE_VOID, settled(SettlementKind::Void, 0, "void"), "invoice_voided"),
        (
            EventType::InvoiceWrittenOff,
            Kind::WRITE_OFF,
            settled(SettlementKind::WriteOff, 0, "uncollectible"),
            "invoice_written_off",
        ),
        (
            EventType::InvoiceUncollectible,
            Kind::INVOICE_FACT,
            settled(SettlementKind::Uncollectible, 9, "uncollectible"),
            "invoice_uncollectible",
        ),
        (EventType::InvoiceOverdue, Kind::INVOICE_FACT, settled(SettlementKind::Overdue, 9, "open"), "invoice_overdue"),
    ] {
        let event = billed(event, kind, &facts);
        check(schema_of(event.event), &event.body);
        let [told] = &event.copies[..] else { panic!("{:?}", event.copies) };
        assert_eq!(check("billing-event", told)["type"], copy);
    }
}

#[test]
fn an_invoices_copy_reads_exactly_as_the_contract_says() {
    let facts = BillingFacts { document: Some(document(DocumentKind::Invoice)), settlements: Vec::new() };
    let event = billed(EventType::InvoiceIssued, Kind::INVOICE, &facts);
    let want = r#"{"type":"invoice_created","invoice_id":7,"order_id":"order-1","total":118,"currency":"USD","timestamp":"2023-11-14T22:13:20Z"}"#;
    assert_eq!(event.copies, [Box::<str>::from(want)]);
    assert_eq!((&*event.key, event.accounts.len()), ("7", 2));
}

#[test]
fn a_payment_of_several_invoices_has_a_copy_for_each() {
    let paid = |due| settlement(SettlementKind::Payment, due, "open");
    let facts = BillingFacts { document: None, settlements: vec![paid(1), paid(2)] };
    let event = billed(EventType::InvoicePaid, Kind::INVOICE_PAYMENT, &facts);
    let body = check("invoice-paid", &event.body);
    assert_eq!((body["payload"]["settlements"].as_array().unwrap().len(), event.copies.len()), (2, 2));
}

#[test]
fn a_payment_that_was_declined_names_the_invoices_that_it_was_to_pay() {
    let posting = json!({ "debit": "ann", "credit": "Receivable", "amount": "1180", "currency": "USD", "exponent": 2 });
    let invoice = |id: &str, order: Option<&str>| json!({ "id": id, "number": "INV-1", "customer": "c", "order": order, "amount": "590" });
    let body = json!({
        "code": DeclineCode::InsufficientFunds.code(), "message": "short of money", "postings": [posting],
        "invoices": [invoice("5", Some("order-0")), invoice("6", None)],
    });
    let row = Row { body: Some(body), ..own(EventType::InvoicePaymentFailed, Kind::INVOICE_PAYMENT) };
    let event = render(&[row], named, |_| None).unwrap();
    let told = check("invoice-payment-failed", &event.body);
    assert_eq!((&told["payload"]["invoices"][1]["invoice_id"], &*event.key), (&json!("6"), "5"));
    let want = r#"{"type":"payment_failed","invoice_id":5,"order_id":"order-0","total":5.9,"currency":"USD","timestamp":"2023-11-14T22:13:20Z"}"#;
    assert_eq!((&*event.copies[0], event.copies.len()), (want, 2));
    check("billing-event", &event.copies[1]);
}
