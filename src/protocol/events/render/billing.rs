//! Events of billing.

use super::super::invoices::{
    BillingFacts, DocumentIssued, InvoicePaymentFailed, InvoicesSettled, Unpaid, contract_copies, failed_copies,
};
use super::super::{EventType, Payload};
use super::{Asked, Row, Unreadable, live_event};
use crate::money::decimal_text;
use crate::protocol::live::LiveEvent;

/// The event of a record that issued a document or changed invoices, with its copies for the contract.
pub(super) fn render<'n>(
    row: &Row,
    event: EventType,
    facts: &BillingFacts,
    accounts: impl Iterator<Item = &'n str>,
) -> Result<LiveEvent, Unreadable> {
    let missing = |what| Unreadable::Missing(row.seq, what);
    let (transaction, correlation) = (row.id.0.to_string(), row.correlation.as_deref());
    let rendered = if matches!(event, EventType::InvoiceIssued | EventType::CreditNoteIssued) {
        let document = facts.document.as_ref().ok_or(missing("document"))?;
        let payload = DocumentIssued::of(facts, document, &row.tenant, &transaction);
        let payload = Payload::DocumentIssued(event, &payload);
        live_event(row, event, &document.id.to_string(), &payload, correlation, accounts)
    } else {
        let first = facts.settlements.first().ok_or(missing("settlement"))?;
        let payload = InvoicesSettled::of(facts, &row.tenant, &transaction);
        let payload = Payload::InvoicesSettled(event, &payload);
        live_event(row, event, &first.invoice.to_string(), &payload, correlation, accounts)
    };
    Ok(LiveEvent { copies: contract_copies(event, facts, row.created_at), ..rendered })
}

/// The event of a payment of invoices that was declined, from the row's body, with its copies for the contract.
pub(super) fn failed(row: &Row, asked: &Asked<'_>) -> Result<LiveEvent, Unreadable> {
    let missing = |what| Unreadable::Missing(row.seq, what);
    let posting = asked.postings.first().ok_or(missing("postings"))?;
    let invoices = row.body.as_ref().and_then(|body| body["invoices"].as_array()).ok_or(missing("invoices"))?;
    let unpaid = |invoice: &serde_json::Value| {
        let text = |field: &str| Some(invoice[field].as_str()?.to_owned());
        let amount = invoice["amount"].as_str()?.parse().ok()?;
        Some(Unpaid {
            invoice_id: text("id")?,
            number: text("number")?,
            customer_id: text("customer")?,
            order_id: text("order"),
            amount: decimal_text(amount, posting.exponent),
        })
    };
    let payload = InvoicePaymentFailed {
        tenant: row.tenant.to_string(),
        transaction_id: row.id.0.to_string(),
        currency: posting.currency.to_owned(),
        error_code: asked.code.name(),
        error_message: asked.message.to_owned(),
        invoices: invoices.iter().map(unpaid).collect::<Option<_>>().ok_or(missing("invoices"))?,
    };
    let first = payload.invoices.first().ok_or(missing("invoices"))?.invoice_id.clone();
    let accounts = asked.postings.iter().flat_map(|posting| [posting.debit, posting.credit]);
    let told = Payload::InvoicePaymentFailed(&payload);
    let event = live_event(row, EventType::InvoicePaymentFailed, &first, &told, row.correlation.as_deref(), accounts);
    Ok(LiveEvent { copies: failed_copies(&payload, row.created_at), ..event })
}
