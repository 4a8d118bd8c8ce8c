//! Invoices, credit notes, and what became of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PostedTransaction, Transaction, name};
use crate::billing::invoice::Status;
use crate::money::{Amount, decimal_text};
use crate::protocol::content::{Exchange, Line, Tax};
use crate::protocol::events::timestamp;
use crate::protocol::record::{DocumentKind, SettlementKind};
use crate::store::billing::invoices::{InvoiceRow, SettlementRow};
use crate::store::billing::payments::PaymentRow;
use crate::teller::native::invoices::Settled;
use crate::teller::native::invoices::credit::Credited;
use crate::teller::native::invoices::drafts::Drafted;
use crate::teller::native::invoices::payments::Paid;

/// An invoice or a credit note. Amounts are in its currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    #[schema(example = "1024")]
    pub id: String,
    /// `invoice` or `credit_note`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub kind: DocumentKind,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub status: Status,
    /// As it is written on the document; null: a draft.
    #[schema(example = "INV-2026-000123")]
    pub number: Option<String>,
    /// Who issues it.
    pub entity_id: String,
    pub customer_id: String,
    /// The order or the bill that it is of.
    pub order_id: Option<String>,
    pub currency: String,
    /// Without tax.
    #[schema(example = "100.00")]
    pub subtotal: String,
    #[schema(example = "18.00")]
    pub tax: String,
    #[schema(example = "118.00")]
    pub total: String,
    /// What is still to be paid.
    pub due: String,
    /// What was paid of it.
    pub paid: String,
    /// What credit notes took off what was due.
    pub credited: String,
    /// What credit notes gave back of what was paid, as the customer's credit.
    pub returned: String,
    /// What was given up as lost.
    pub written_off: String,
    #[schema(format = DateTime)]
    pub issued_at: Option<String>,
    /// The last day on which it is paid in time.
    #[schema(format = Date)]
    pub due_on: Option<String>,
    /// Whether that day is over (UTC), and something is due.
    pub overdue: bool,
    /// Rises with each change.
    pub version: i32,
    /// The invoice that a credit note corrects.
    pub corrects: Option<String>,
    pub prices_include_tax: bool,
    /// Whose taxes it has.
    pub region: Option<String>,
    /// What was taken off the whole document.
    pub discount: Option<String>,
    /// In the words of whoever wrote it.
    pub note: Option<String>,
    /// What was sold. Of a credit note: what the customer owes less, for each rate. Empty in lists, and where an answer
    /// is about several invoices.
    pub lines: Vec<InvoiceLine>,
    /// Net and tax of each rate.
    pub taxes: Vec<InvoiceTax>,
    /// What became of it, oldest first; empty in lists.
    pub settlements: Vec<Settlement>,
    /// At what it was booked, where the books are kept in another currency.
    pub exchange: Option<InvoiceExchange>,
}

/// What an invoice was booked at: one unit of `base` is `rate` units of `quote`, the currency of the books.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceExchange {
    /// The rate's number.
    pub rate_id: i64,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    #[schema(example = "0.9215")]
    pub rate: String,
    /// What was booked, in `quote`, without tax.
    pub net: String,
    /// The tax that was booked.
    pub tax: String,
}

/// What was sold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceLine {
    pub description: Option<String>,
    /// The code of what was sold.
    pub sku: Option<String>,
    #[schema(example = "2")]
    pub quantity: String,
    #[schema(example = "49.99")]
    pub unit_price: String,
    pub tax_category: Option<String>,
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    #[schema(example = "18")]
    pub tax_percent: String,
    pub net: String,
    pub tax: String,
}

/// All lines of one rate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceTax {
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    #[schema(example = "18")]
    pub percent: String,
    pub net: String,
    pub tax: String,
}

/// What became of an invoice, once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// `payment`, `credit_note`, `write_off`, `void`, `uncollectible` or `overdue`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub kind: SettlementKind,
    /// By how much less was due.
    pub amount: String,
    /// Paid or credited beyond what was due: the customer's credit.
    pub excess: String,
    pub due_after: String,
    /// The invoice's status after it.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub status_after: Status,
    /// The credit note that credited it.
    pub credit_note_id: Option<String>,
    /// The record of the journal that did it.
    pub transaction_id: String,
    #[schema(format = DateTime)]
    pub at: String,
}

/// A draft that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DraftedInvoice {
    pub invoice: Invoice,
    /// The key was used before by the same request: this is the draft of then, as it is now.
    pub replayed: bool,
}

/// What a payment paid of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoicePayment {
    #[schema(example = "1024")]
    pub invoice_id: String,
    /// The invoice's, as it is written on the document.
    #[schema(example = "INV-2026-000123")]
    pub number: Option<String>,
    pub customer_id: String,
    pub currency: String,
    /// By how much less was due.
    #[schema(example = "118.00")]
    pub amount: String,
    /// Paid beyond what was due: the customer's credit.
    pub excess: String,
    pub due_after: String,
    /// A transaction that paid several invoices is listed once for each.
    pub transaction_id: String,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// An invoice after a command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledInvoice {
    pub invoice: Invoice,
    /// What was posted; null: nothing.
    pub transaction: Option<Transaction>,
    /// The key was used before by the same request.
    pub replayed: bool,
}

/// An invoice, and the credit note that corrects it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditedInvoice {
    pub invoice: Invoice,
    pub credit_note: Invoice,
    /// What was posted.
    pub transaction: Option<Transaction>,
    /// The key was used before by the same request.
    pub replayed: bool,
}

/// A payment, and what it paid.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerPayment {
    pub transaction: Transaction,
    /// The invoices that it paid, as they are now; none in the answer to a repeat.
    pub invoices: Vec<Invoice>,
    /// What became the customer's credit; null in the answer to a repeat.
    pub excess: Option<String>,
    /// The key was used before by the same request: this is its first answer's transaction.
    pub replayed: bool,
}

impl Invoice {
    /// With what became of it.
    pub fn whole((row, settlements): (InvoiceRow, Vec<SettlementRow>)) -> Self {
        let exponent = row.currency.exponent;
        let settlements = settlements.into_iter().map(|row| Settlement::of(&row, exponent)).collect();
        Self { settlements, ..Self::from(row) }
    }
}

impl From<InvoiceRow> for Invoice {
    fn from(row: InvoiceRow) -> Self {
        Self::at(row, Utc::now())
    }
}

impl Invoice {
    fn at(row: InvoiceRow, now: DateTime<Utc>) -> Self {
        let text = |amount: Amount| amount.text(row.currency.exponent);
        // of a credit note nothing is to be paid
        let due = if row.kind == DocumentKind::Invoice { row.balance.due() } else { Amount::ZERO };
        let is_late = row.due_on.is_some_and(|day| day < now.date_naive());
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            status: row.balance.status,
            number: row.number,
            entity_id: row.entity,
            customer_id: row.customer,
            order_id: row.source,
            currency: row.currency.code.to_string(),
            subtotal: text(row.subtotal),
            tax: text(row.tax),
            total: text(row.balance.total),
            due: text(due),
            paid: text(row.balance.paid),
            credited: text(row.balance.credited),
            returned: text(row.balance.returned),
            written_off: text(row.balance.written_off),
            issued_at: row.issued_at.map(timestamp),
            due_on: row.due_on.map(|day| day.to_string()),
            overdue: is_late && due > Amount::ZERO,
            version: row.version,
            corrects: row.corrects.map(|id| id.to_string()),
            prices_include_tax: row.content.prices_include_tax,
            region: row.content.region,
            discount: row.content.discount,
            note: row.content.note,
            lines: row.content.lines.into_iter().map(InvoiceLine::from).collect(),
            taxes: row.content.taxes.into_iter().map(InvoiceTax::from).collect(),
            settlements: Vec::new(),
            exchange: row.content.exchange.map(InvoiceExchange::from),
        }
    }
}

impl From<Exchange> for InvoiceExchange {
    fn from(exchange: Exchange) -> Self {
        let Exchange { rate_id, base, quote, rate, net, tax, observed_at: _ } = exchange;
        Self { rate_id, base, quote, rate, net, tax }
    }
}

impl From<Line> for InvoiceLine {
    fn from(line: Line) -> Self {
        Self {
            description: line.description,
            sku: Some(line.sku).filter(|sku| !sku.is_empty()),
            quantity: line.quantity,
            unit_price: line.unit_price,
            tax_category: line.tax_category,
            treatment: line.treatment,
            tax_percent: line.tax_percent,
            net: line.net,
            tax: line.tax,
        }
    }
}

impl From<Tax> for InvoiceTax {
    fn from(Tax { treatment, percent, net, tax }: Tax) -> Self {
        Self { treatment, percent, net, tax }
    }
}

impl Settlement {
    fn of(row: &SettlementRow, exponent: u8) -> Self {
        let text = |units| decimal_text(units, exponent);
        Self {
            kind: row.kind,
            amount: text(row.amount),
            excess: text(row.excess),
            due_after: text(row.due_after),
            status_after: row.status_after,
            credit_note_id: row.credit_note.map(|id| id.to_string()),
            transaction_id: row.transaction.to_string(),
            at: timestamp(row.at),
        }
    }
}

impl From<PaymentRow> for InvoicePayment {
    fn from(row: PaymentRow) -> Self {
        let text = |units| decimal_text(units, row.currency.exponent);
        Self {
            invoice_id: row.place.invoice.to_string(),
            amount: text(row.amount),
            excess: text(row.excess),
            due_after: text(row.due_after),
            currency: row.currency.code.to_string(),
            number: row.number,
            customer_id: row.customer,
            transaction_id: row.transaction.to_string(),
            created_at: timestamp(row.place.at),
        }
    }
}

impl From<Drafted> for DraftedInvoice {
    fn from(Drafted { invoice, replayed }: Drafted) -> Self {
        Self { invoice: invoice.into(), replayed }
    }
}

impl From<Settled> for SettledInvoice {
    fn from(Settled { invoice, posted, replayed }: Settled) -> Self {
        let transaction = posted.map(|posted| PostedTransaction::from(posted).transaction);
        Self { invoice: invoice.into(), transaction, replayed }
    }
}

impl From<Credited> for CreditedInvoice {
    fn from(Credited { invoice, credit_note, posted, replayed }: Credited) -> Self {
        let transaction = posted.map(|posted| PostedTransaction::from(posted).transaction);
        Self { invoice: invoice.into(), credit_note: credit_note.into(), transaction, replayed }
    }
}

impl From<Paid> for CustomerPayment {
    fn from(Paid { posted, invoices, excess, currency }: Paid) -> Self {
        let PostedTransaction { transaction, replayed } = posted.into();
        let excess = excess.map(|excess| excess.text(currency.exponent));
        Self { transaction, invoices: invoices.into_iter().map(Invoice::from).collect(), excess, replayed }
    }
}
