//! From one committed event to the events of the accounts REST API.

mod accounts;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::accounts_v1::text::at_rest;
use crate::gateway::accounts_v1::views::failure_code;
use crate::money::{Currencies, decimal_text};
use crate::protocol::events::EventType;
use crate::protocol::live::LiveEvent;
use crate::protocol::record::{DeclineCode, Kind};

/// Whose events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of an account.
    Account(String),
    /// Those of a transaction.
    Transaction(Uuid),
    /// All.
    All,
}

/// One event of the accounts REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Such as `TopupCompleted`.
    pub name: String,
    /// JSON.
    pub data: String,
    account: Option<Box<str>>,
    transaction: Option<Uuid>,
}

impl Frame {
    /// Whether whoever wants these wants this.
    pub fn is_of(&self, of: &Of) -> bool {
        match of {
            Of::Account(account) => self.account.as_deref() == Some(account),
            Of::Transaction(transaction) => self.transaction == Some(*transaction),
            Of::All => true,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    payload: Payload,
    timestamp: String,
    correlation_id: Option<String>,
}

/// Of every event that names money: Florin's own, and those of payment.v1.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    postings: Vec<Posting>,
    payer_account_id: Option<String>,
    payee_account_id: Option<String>,
    debit_account_id: Option<String>,
    credit_account_id: Option<String>,
    amount_cents: Option<i64>,
    amount: Option<String>,
    currency: Option<String>,
    reference: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct Posting {
    debit_account_id: String,
    credit_account_id: String,
    amount: String,
    currency: String,
}

/// In order: asked for, what it did to each account, done. None for what cannot be read.
pub fn frames(event: &LiveEvent, currencies: &Currencies) -> Vec<Frame> {
    match event.event {
        EventType::AccountCreated => return accounts::created(&event.body),
        EventType::AccountChanged => return accounts::changed(&event.body),
        _ => {}
    }
    let Ok(Envelope { payload, timestamp, correlation_id }) = serde_json::from_str(&event.body) else {
        return Vec::new();
    };
    let id = event.transaction.0.to_string();
    let postings = postings(&payload, currencies);
    let about = |name: String, payload: Value| {
        let data = json!({ "type": name, "transactionId": id, "timestamp": timestamp, "payload": payload }).to_string();
        Frame { name, data, account: None, transaction: Some(event.transaction.0) }
    };
    let first = postings.first();
    let moved = json!({
        "sourceAccountId": first.map(|posting| &posting.debit_account_id),
        "destinationAccountId": first.map(|posting| &posting.credit_account_id),
        "amount": first.map(|posting| at_rest(&posting.amount)),
        "currency": first.map(|posting| &posting.currency),
        "reference": payload.reference,
        "correlationId": correlation_id,
    });
    match event.event {
        EventType::PaymentDeclined | EventType::TransactionDeclined => {
            let mut failed = moved;
            failed["code"] = json!(payload.error_code.as_deref().map(|code| failure(payload.kind.as_deref(), code)));
            failed["reason"] = json!(payload.error_message);
            vec![about("TransactionFailed".into(), failed)]
        }
        EventType::AccountCreated | EventType::AccountChanged => Vec::new(), // above
        // The contract knows no invoices.
        EventType::InvoiceIssued
        | EventType::CreditNoteIssued
        | EventType::InvoicePaid
        | EventType::InvoiceVoided
        | EventType::InvoiceWrittenOff
        | EventType::InvoiceUncollectible
        | EventType::InvoiceOverdue
        | EventType::InvoicePaymentFailed => Vec::new(),
        EventType::HoldAuthorized => vec![about("HoldAuthorized".into(), moved)],
        EventType::HoldVoided => vec![about("HoldVoided".into(), moved)],
        EventType::PaymentAuthorized | EventType::TransactionPosted => {
            let kind = kind(payload.kind.as_deref().unwrap_or("payment"));
            let mut frames = vec![about(format!("{kind}Requested"), moved.clone())];
            for posting in &postings {
                for (account, sign) in [(&posting.debit_account_id, "-"), (&posting.credit_account_id, "")] {
                    let payload = json!({ "transactionId": id, "change": format!("{sign}{}", at_rest(&posting.amount)), "currency": posting.currency });
                    let data = json!({ "type": "BalanceChanged", "accountId": account, "timestamp": timestamp, "payload": payload }).to_string();
                    frames.push(Frame {
                        name: "BalanceChanged".into(),
                        data,
                        account: Some(account.as_str().into()),
                        transaction: None,
                    });
                }
            }
            frames.push(about(format!("{kind}Completed"), moved));
            if let Some(reversed) = event.reverses {
                let (name, payload) = ("TransactionCompensated", json!({ "compensatedBy": id }));
                let data =
                    json!({ "type": name, "transactionId": reversed.0, "timestamp": timestamp, "payload": payload })
                        .to_string();
                frames.push(Frame { name: name.into(), data, account: None, transaction: Some(reversed.0) });
            }
            frames
        }
    }
}

/// A code of an event as transactions are read with it; events of payment.v1 name no kind.
fn failure<'a>(kind: Option<&str>, code: &'a str) -> &'a str {
    let kind = kind.map_or(Some(Kind::PAYMENT), |name| Kind::all().find(|kind| kind.as_str() == name));
    let known = DeclineCode::ALL.into_iter().find(|known| known.name() == code);
    kind.zip(known).map_or(code, |(kind, known)| failure_code(kind, known))
}

fn postings(payload: &Payload, currencies: &Currencies) -> Vec<Posting> {
    let exponent =
        payload.currency.as_deref().and_then(|code| currencies.get(code)).map_or(0, |currency| currency.exponent);
    let from_cents = || payload.amount_cents.map(|cents| decimal_text(i128::from(cents), exponent));
    let debit = payload.payer_account_id.as_ref().or(payload.debit_account_id.as_ref());
    let credit = payload.payee_account_id.as_ref().or(payload.credit_account_id.as_ref());
    let single = debit.zip(credit).map(|(debit, credit)| Posting {
        debit_account_id: debit.clone(),
        credit_account_id: credit.clone(),
        amount: payload.amount.clone().or_else(from_cents).unwrap_or_default(),
        currency: payload.currency.clone().unwrap_or_default(),
    });
    let own = payload.postings.iter().map(|posting| Posting {
        debit_account_id: posting.debit_account_id.clone(),
        credit_account_id: posting.credit_account_id.clone(),
        amount: posting.amount.clone(),
        currency: posting.currency.clone(),
    });
    single.into_iter().chain(own).collect()
}

/// `topup` is `Topup` here.
fn kind(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smallvec::SmallVec;
    use uuid::Uuid;

    use super::*;
    use crate::money::{Currency, CurrencyCode};
    use crate::protocol::record::TransactionId;

    fn event(event: EventType, payload: &Value) -> LiveEvent {
        let body = json!({ "payload": payload, "timestamp": "2026-01-31T12:00:00.000000+00:00" }).to_string();
        LiveEvent {
            id: 7,
            event,
            tenant: Arc::from("t"),
            transaction: TransactionId(Uuid::nil()),
            reverses: None,
            accounts: SmallVec::new(),
            key: "".into(),
            body: body.into(),
            copies: Vec::new(),
            is_repeat: false,
        }
    }

    fn usd() -> Currencies {
        [Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 }].into_iter().collect()
    }

    #[test]
    fn a_movement_is_asked_for_changes_two_balances_and_is_done() {
        let posted = json!({ "kind": "topup", "postings": [{ "debit_account_id": "bank", "credit_account_id": "ann", "amount": "1.50", "currency": "USD" }] });
        let frames = frames(&event(EventType::TransactionPosted, &posted), &usd());
        assert_eq!(
            frames.iter().map(|frame| frame.name.as_str()).collect::<Vec<_>>(),
            ["TopupRequested", "BalanceChanged", "BalanceChanged", "TopupCompleted"]
        );
        let of_ann: Vec<&Frame> = frames.iter().filter(|frame| frame.is_of(&Of::Account("ann".into()))).collect();
        let data: Value = serde_json::from_str(&of_ann[0].data).unwrap();
        assert_eq!(
            (of_ann.len(), &data["accountId"], &data["payload"]["change"]),
            (1, &json!("ann"), &json!("1.50000000"))
        );
        assert_eq!(frames.iter().filter(|frame| frame.is_of(&Of::Transaction(Uuid::nil()))).count(), 2);
        assert_eq!(frames.iter().filter(|frame| frame.is_of(&Of::All)).count(), 4);
    }

    #[test]
    fn refusals_and_payments_of_the_other_contract_read_alike() {
        let paid = json!({ "payment_id": "x", "payer_account_id": "a", "payee_account_id": "b", "amount_cents": 1250, "currency": "USD" });
        let done = frames(&event(EventType::PaymentAuthorized, &paid), &usd());
        assert_eq!(done[0].name, "PaymentRequested");
        assert!(done[0].data.contains("\"12.50000000\""), "{}", done[0].data);
        let refused = json!({ "payer_account_id": "a", "payee_account_id": "b", "amount_cents": 5, "currency": "USD", "error_code": "X", "error_message": "y" });
        let frames = frames(&event(EventType::PaymentDeclined, &refused), &usd());
        let data: Value = serde_json::from_str(&frames[0].data).unwrap();
        assert_eq!(
            (frames.len(), &data["type"], &data["payload"]["code"]),
            (1, &json!("TransactionFailed"), &json!("X"))
        );
        // Fails when a failure is told live by another code than a read of the transaction has.
        for (kind, code, told) in [
            (Some("topup"), "LIMIT_EXCEEDED", "TOPUP_FAILED"),
            (Some("capture"), "LIMIT_EXCEEDED", "LIMIT_EXCEEDED"),
            (Some("transfer"), "INSUFFICIENT_FUNDS", "INSUFFICIENT_BALANCE"),
            (None, "LIMIT_EXCEEDED", "PAYMENT_FAILED"),
        ] {
            assert_eq!(failure(kind, code), told, "{kind:?}");
        }
    }
}
