//! What events say of billing's records.

use std::collections::HashMap;

use chrono::NaiveDate;
use sqlx::{Error, FromRow, PgConnection};

use crate::billing::invoice::Status;
use crate::money::{Currency, CurrencyCode};
use crate::protocol::events::{BillingFacts, DocumentFacts, SettlementFacts};
use crate::protocol::record::{DocumentKind, SettlementKind};
use crate::store::numeric::Numeric;

#[derive(FromRow)]
struct DocumentRow {
    seq: i64,
    id: i64,
    number: i64,
    year: i32,
    number_format: String,
    document: i16,
    entity: String,
    customer: String,
    source: Option<String>,
    currency: String,
    exponent: i16,
    subtotal: Numeric,
    tax: Numeric,
    total: Numeric,
    due_on: Option<NaiveDate>,
    corrects: Option<i64>,
}

#[derive(FromRow)]
struct SettlementRow {
    seq: i64,
    invoice: i64,
    number: i64,
    year: i32,
    number_format: String,
    customer: String,
    source: Option<String>,
    currency: String,
    exponent: i16,
    kind: i16,
    amount: Numeric,
    excess: Numeric,
    due_after: Numeric,
    status_after: i16,
}

const DOCUMENTS: &str = "SELECT i.seq, i.id, i.number, i.year, i.number_format, i.document, i.entity, i.customer, i.source, i.currency, c.exponent, i.subtotal, i.tax, i.total, i.due_on, i.corrects
  FROM invoices i JOIN currencies c ON c.code = i.currency WHERE i.seq = ANY ($1)";
const SETTLEMENTS: &str = "SELECT s.seq, s.invoice, i.number, i.year, i.number_format, i.customer, i.source, i.currency, c.exponent, s.kind, s.amount, s.excess, s.due_after, s.status_after
  FROM settlements s JOIN invoices i ON i.id = s.invoice JOIN currencies c ON c.code = i.currency WHERE s.seq = ANY ($1) ORDER BY s.invoice";

/// What the records at these places issued and settled. A row that this version cannot read is left out: its event is
/// then unreadable.
///
/// # Errors
/// Any failure of the statements.
pub async fn of(db: &mut PgConnection, places: &[i64]) -> Result<HashMap<i64, BillingFacts>, Error> {
    let mut found: HashMap<i64, BillingFacts> = HashMap::new();
    if places.is_empty() {
        return Ok(found);
    }
    let documents: Vec<DocumentRow> = sqlx::query_as(DOCUMENTS).bind(places).fetch_all(&mut *db).await?;
    let settlements: Vec<SettlementRow> = sqlx::query_as(SETTLEMENTS).bind(places).fetch_all(&mut *db).await?;
    for row in documents {
        let seq = row.seq;
        if let Some(document) = document(row) {
            found.entry(seq).or_default().document = Some(document);
        }
    }
    for row in settlements {
        let seq = row.seq;
        if let Some(settlement) = settlement(row) {
            found.entry(seq).or_default().settlements.push(settlement);
        }
    }
    Ok(found)
}

fn document(row: DocumentRow) -> Option<DocumentFacts> {
    Some(DocumentFacts {
        id: row.id,
        number: super::number_text(&row.number_format, row.year, row.number),
        kind: DocumentKind::from_code(row.document)?,
        entity: row.entity,
        customer: row.customer,
        source: row.source,
        currency: currency(&row.currency, row.exponent)?,
        subtotal: row.subtotal.0,
        tax: row.tax.0,
        total: row.total.0,
        due_on: row.due_on,
        corrects: row.corrects,
    })
}

fn settlement(row: SettlementRow) -> Option<SettlementFacts> {
    Some(SettlementFacts {
        invoice: row.invoice,
        number: super::number_text(&row.number_format, row.year, row.number),
        customer: row.customer,
        source: row.source,
        currency: currency(&row.currency, row.exponent)?,
        kind: SettlementKind::from_code(row.kind)?,
        amount: row.amount.0,
        excess: row.excess.0,
        due_after: row.due_after.0,
        status_after: Status::from_code(row.status_after)?.name(),
    })
}

fn currency(code: &str, exponent: i16) -> Option<Currency> {
    Some(Currency { code: CurrencyCode::parse(code)?, exponent: u8::try_from(exponent).ok()? })
}
