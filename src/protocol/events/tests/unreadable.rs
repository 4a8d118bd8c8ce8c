//! Rows that are damaged, or of another Florin.

use super::*;

#[test]
fn rows_that_cannot_be_read_say_why() {
    let missing = |what| Unreadable::Missing(SEQ, what);
    let posted = || own(EventType::TransactionPosted, Kind::TRANSFER);
    let refused = |body: Value| Row {
        body: Some(body),
        ..declined(EventType::TransactionDeclined, Kind::TRANSFER, DeclineCode::SameAccount, &[])
    };
    let void = || unmoved(EventType::HoldVoided, Kind::VOID, json!({}));
    let hold = || unmoved(EventType::HoldAuthorized, Kind::HOLD, json!({ "expires_at": timestamp(at()) }));
    let opening = |body: Value| unmoved(EventType::AccountCreated, Kind::ACCOUNT_OPENING, body);
    let change = |body: Value| unmoved(EventType::AccountChanged, Kind::ACCOUNT_CHANGE, body);
    for (row, why) in [
        (Row { event: None, ..row() }, Unreadable::Event(0)),
        (Row { debit: None, ..row() }, Unreadable::Account(SEQ)),
        (Row { credit: Some(AccountId(99)), ..row() }, Unreadable::Account(SEQ)),
        (Row { amount: None, ..row() }, missing("amount")),
        (Row { credit: None, ..posted() }, Unreadable::Account(SEQ)),
        (Row { amount: None, ..posted() }, missing("postings")),
        (Row { postings: 2, ..posted() }, missing("postings")),
        (Row { body: None, ..refused(json!({})) }, missing("body")),
        (refused(json!({ "message": "m", "postings": [] })), missing("code")),
        (refused(json!({ "code": 77, "message": "m", "postings": [] })), missing("code")),
        (refused(json!({ "code": 1, "postings": [] })), missing("message")),
        (refused(json!({ "code": 1, "message": "m" })), missing("postings")),
        (refused(json!({ "code": 1, "message": "m", "postings": [{ "debit": "a" }] })), missing("postings")),
        (declined(EventType::PaymentDeclined, Kind::PAYMENT, DeclineCode::SameAccount, &[]), missing("postings")),
        (Row { held: Some(1), body: None, ..hold() }, missing("expires_at")),
        (hold(), missing("held")),
        (Row { held: Some(-1), ..void() }, missing("hold")),
        (Row { follows: Some(OTHER), ..void() }, missing("held")),
        (opening(json!({ "status": "active" })), missing("name")),
        (opening(json!({ "name": "a", "status": "asleep" })), missing("status")),
        (opening(json!({ "name": "a", "status": "active" })), missing("kind")),
        (change(json!({ "after": { "status": "active" } })), missing("before")),
        (change(json!({ "before": { "status": "active" } })), missing("after")),
        (Row { debit: None, ..change(json!({})) }, Unreadable::Account(SEQ)),
        (unmoved(EventType::InvoiceOverdue, Kind::INVOICE_FACT, json!({})), missing("invoice")),
        (own(EventType::InvoiceIssued, Kind::INVOICE), missing("invoice")),
        (
            declined(EventType::InvoicePaymentFailed, Kind::INVOICE_PAYMENT, DeclineCode::SameAccount, &[]),
            missing("postings"),
        ),
        (unmoved(EventType::TransactionPosted, Kind::REPLAY, json!({ "event": 3, "key": "k" })), missing("event_body")),
        (unmoved(EventType::TransactionPosted, Kind::REPLAY, json!({ "event": 3 })), missing("key")),
        (unmoved(EventType::TransactionPosted, Kind::REPLAY, json!({ "key": "k" })), Unreadable::Event(0)),
    ] {
        assert_eq!(render(std::slice::from_ref(&row), named, |_| None).unwrap_err(), why, "{row:?}");
    }
    assert_eq!(render(&[], named, |_| None).unwrap_err(), Unreadable::Missing(0, "rows"));
}
