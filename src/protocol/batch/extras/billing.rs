//! Documents and what becomes of them, as the SQL functions `issue_invoices` and `settle_invoices` read them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::record::{InvoiceRow, SettlementRow};

#[derive(Debug, Serialize)]
pub(super) struct Invoice {
    id: Option<i64>,
    version: i32,
    tenant: String,
    entity: String,
    document: i16,
    customer: String,
    source: Option<String>,
    currency: String,
    subtotal: String,
    tax: String,
    total: String,
    due_on: Option<NaiveDate>,
    content: Option<Box<RawValue>>,
    corrects: Option<i64>,
    seq: i64,
    year: i32,
    number_format: String,
    at: DateTime<Utc>,
    book_currency: String,
    booked: String,
    status: i16,
    mail: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Settlement {
    invoice: i64,
    version: i32,
    seq: i64,
    kind: i16,
    amount: String,
    excess: String,
    reinstated: String,
    due_after: String,
    status_after: i16,
    paid: String,
    credited: String,
    returned: String,
    written_off: String,
    credit_note: Option<i64>,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(super) struct Released {
    pub parked: i64,
}

impl Invoice {
    pub(super) fn of(row: &InvoiceRow, tenant: String, seq: i64, at: DateTime<Utc>) -> Self {
        Self {
            id: row.draft.map(|(id, _)| id),
            version: row.draft.map_or(0, |(_, version)| version),
            tenant,
            entity: row.entity.clone(),
            document: row.document.code(),
            customer: row.customer.clone(),
            source: row.source.clone(),
            currency: row.currency.to_string(),
            subtotal: row.subtotal.to_string(),
            tax: row.tax.to_string(),
            total: row.total.to_string(),
            due_on: row.due_on,
            content: super::json(Some(&row.content)),
            corrects: row.corrects,
            seq,
            year: row.year,
            number_format: row.number_format.clone(),
            at,
            book_currency: row.booked.0.to_string(),
            booked: row.booked.1.to_string(),
            status: row.status.code(),
            mail: row.is_mailed,
        }
    }
}

impl Settlement {
    pub(super) fn of(row: &SettlementRow, seq: i64, at: DateTime<Utc>) -> Self {
        let crate::billing::invoice::Settlement { applied, excess, reinstated, after } = row.settlement;
        Self {
            invoice: row.invoice,
            version: row.version,
            seq,
            kind: row.kind.code(),
            amount: applied.to_string(),
            excess: excess.to_string(),
            reinstated: reinstated.to_string(),
            due_after: after.due().to_string(),
            status_after: after.status.code(),
            paid: after.paid.to_string(),
            credited: after.credited.to_string(),
            returned: after.returned.to_string(),
            written_off: after.written_off.to_string(),
            credit_note: row.credit_note,
            at,
        }
    }
}
