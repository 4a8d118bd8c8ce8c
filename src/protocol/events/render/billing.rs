//! Events of billing.

use super::super::invoices::{BillingFacts, DocumentIssued, InvoicesSettled, contract_copies};
use super::super::{EventType, Payload};
use super::{Row, Unreadable, live_event};
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
