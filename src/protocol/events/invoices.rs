//! Events of billing: Florin's own, and the copies of them that the orders contract names.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::EventType;
use crate::money::{Currency, decimal_text};
use crate::protocol::record::{DocumentKind, SettlementKind};

/// What the tables say of a billing record, beside the journal's row.
#[derive(Clone, Debug, Default)]
pub struct BillingFacts {
    /// The document that it issued.
    pub document: Option<DocumentFacts>,
    /// What it did to invoices, in order of their ids.
    pub settlements: Vec<SettlementFacts>,
}

/// A document as it was issued. Amounts are in minor units.
#[derive(Clone, Debug)]
pub struct DocumentFacts {
    pub id: i64,
    /// As it is written on the document.
    pub number: String,
    pub kind: DocumentKind,
    pub entity: String,
    pub customer: String,
    /// The id of the order or the bill.
    pub source: Option<String>,
    pub currency: Currency,
    pub subtotal: i128,
    pub tax: i128,
    pub total: i128,
    pub due_on: Option<NaiveDate>,
    /// The invoice that a credit note corrects.
    pub corrects: Option<i64>,
}

/// A change of an invoice. Amounts are in minor units.
#[derive(Clone, Debug)]
pub struct SettlementFacts {
    pub invoice: i64,
    /// The invoice's number as it is written.
    pub number: String,
    pub customer: String,
    /// The id of the order or the bill.
    pub source: Option<String>,
    pub currency: Currency,
    pub kind: SettlementKind,
    pub amount: i128,
    pub excess: i128,
    pub due_after: i128,
    pub status_after: &'static str,
}

/// A document was issued.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentIssued {
    tenant: String,
    transaction_id: String,
    invoice_id: String,
    document: &'static str,
    number: String,
    entity_id: String,
    customer_id: String,
    order_id: Option<String>,
    currency: String,
    subtotal: String,
    tax: String,
    total: String,
    due_on: Option<NaiveDate>,
    corrects_invoice_id: Option<String>,
    settlements: Vec<Settled>,
}

/// Invoices were paid, voided, written off, or are overdue.
#[derive(Clone, Debug, Serialize)]
pub struct InvoicesSettled {
    tenant: String,
    transaction_id: String,
    settlements: Vec<Settled>,
}

#[derive(Clone, Debug, Serialize)]
struct Settled {
    invoice_id: String,
    number: String,
    customer_id: String,
    currency: String,
    amount: String,
    excess: String,
    due: String,
    status: &'static str,
}

impl Settled {
    fn of(facts: &SettlementFacts) -> Self {
        let text = |units| decimal_text(units, facts.currency.exponent);
        Self {
            invoice_id: facts.invoice.to_string(),
            number: facts.number.clone(),
            customer_id: facts.customer.clone(),
            currency: facts.currency.code.to_string(),
            amount: text(facts.amount),
            excess: text(facts.excess),
            due: text(facts.due_after),
            status: facts.status_after,
        }
    }
}

impl DocumentIssued {
    pub(super) fn of(facts: &BillingFacts, document: &DocumentFacts, tenant: &str, transaction: &str) -> Self {
        let text = |units| decimal_text(units, document.currency.exponent);
        Self {
            tenant: tenant.to_owned(),
            transaction_id: transaction.to_owned(),
            invoice_id: document.id.to_string(),
            document: document.kind.name(),
            number: document.number.clone(),
            entity_id: document.entity.clone(),
            customer_id: document.customer.clone(),
            order_id: document.source.clone(),
            currency: document.currency.code.to_string(),
            subtotal: text(document.subtotal),
            tax: text(document.tax),
            total: text(document.total),
            due_on: document.due_on,
            corrects_invoice_id: document.corrects.map(|id| id.to_string()),
            settlements: facts.settlements.iter().map(Settled::of).collect(),
        }
    }
}

impl InvoicesSettled {
    pub(super) fn of(facts: &BillingFacts, tenant: &str, transaction: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            transaction_id: transaction.to_owned(),
            settlements: facts.settlements.iter().map(Settled::of).collect(),
        }
    }
}

/// A payment of invoices was declined.
#[derive(Clone, Debug, Serialize)]
pub struct InvoicePaymentFailed {
    pub(super) tenant: String,
    pub(super) transaction_id: String,
    pub(super) currency: String,
    pub(super) error_code: &'static str,
    pub(super) error_message: String,
    pub(super) invoices: Vec<Unpaid>,
}

/// An invoice that a declined payment was to pay.
#[derive(Clone, Debug, Serialize)]
pub struct Unpaid {
    pub(super) invoice_id: String,
    pub(super) number: String,
    pub(super) customer_id: String,
    pub(super) order_id: Option<String>,
    pub(super) amount: String,
}

/// An event of the topic `billing.events`. Its form is a contract.
#[derive(Serialize)]
struct ContractEvent<'a> {
    r#type: &'static str,
    invoice_id: i64,
    order_id: &'a str,
    total: Box<RawValue>,
    currency: &'a str,
    timestamp: String,
}

/// The copy of an event for the topic `billing.events`, one record per invoice; empty: it has none.
pub(super) fn contract_copies(event: EventType, facts: &BillingFacts, at: DateTime<Utc>) -> Vec<Box<str>> {
    let timestamp = || at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = |event: ContractEvent<'_>| serde_json::to_string(&event).unwrap_or_default().into_boxed_str();
    let name = match event {
        EventType::InvoiceIssued => "invoice_created",
        EventType::CreditNoteIssued => "credit_note_created",
        EventType::InvoicePaid => "invoice_paid",
        EventType::InvoiceVoided => "invoice_voided",
        EventType::InvoiceWrittenOff => "invoice_written_off",
        EventType::InvoiceUncollectible => "invoice_uncollectible",
        EventType::InvoiceOverdue => "invoice_overdue",
        _ => return Vec::new(),
    };
    if let Some(document) = &facts.document {
        return vec![text(ContractEvent {
            r#type: name,
            invoice_id: document.id,
            order_id: document.source.as_deref().unwrap_or_default(),
            total: number(document.total, document.currency),
            currency: document.currency.code.as_str(),
            timestamp: timestamp(),
        })];
    }
    let copy = |settled: &SettlementFacts| {
        text(ContractEvent {
            r#type: name,
            invoice_id: settled.invoice,
            order_id: settled.source.as_deref().unwrap_or_default(),
            total: number(settled.amount, settled.currency),
            currency: settled.currency.code.as_str(),
            timestamp: timestamp(),
        })
    };
    facts.settlements.iter().map(copy).collect()
}

/// The copy of a failed payment for the topic `billing.events`, one record per invoice.
pub(super) fn failed_copies(failed: &InvoicePaymentFailed, at: DateTime<Utc>) -> Vec<Box<str>> {
    let copy = |unpaid: &Unpaid| {
        let event = ContractEvent {
            r#type: "payment_failed",
            invoice_id: unpaid.invoice_id.parse().unwrap_or_default(),
            order_id: unpaid.order_id.as_deref().unwrap_or_default(),
            total: shortest(&unpaid.amount),
            currency: &failed.currency,
            timestamp: at.to_rfc3339_opts(SecondsFormat::Secs, true),
        };
        serde_json::to_string(&event).unwrap_or_default().into_boxed_str()
    };
    failed.invoices.iter().map(copy).collect()
}

/// An amount as the shortest JSON number: 118.00 is `118`, 11.80 is `11.8`.
fn number(units: i128, currency: Currency) -> Box<RawValue> {
    shortest(&decimal_text(units, currency.exponent))
}

fn shortest(text: &str) -> Box<RawValue> {
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    RawValue::from_string(short.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::CurrencyCode;

    #[test]
    fn amounts_are_the_shortest_json_numbers() {
        let usd = |exponent| Currency { code: CurrencyCode::parse("USD").unwrap(), exponent };
        for (units, exponent, text) in [
            (11_800, 2, "118"),
            (1_180, 2, "11.8"),
            (0, 2, "0"),
            (100, 0, "100"),
            (5, 2, "0.05"),
            (1_234_500, 3, "1234.5"),
        ] {
            assert_eq!(number(units, usd(exponent)).get(), text);
        }
    }
}
