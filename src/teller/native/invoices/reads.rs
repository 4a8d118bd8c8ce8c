//! Reads invoices and credit notes.

use chrono::{DateTime, NaiveDate};
use uuid::Uuid;

use crate::billing::invoice::Status;
use crate::protocol::record::{DocumentKind, RequestHash};
use crate::store::billing::invoices::{self as store, InvoiceFilter, InvoiceRow, SettlementRow};
use crate::store::billing::payments::{self, PaymentFilter, PaymentRow, Place};
use crate::store::transactions::Cursor;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};
use crate::teller::native::names::{self, Spelling};
use crate::teller::native::{fields, pages};
use crate::teller::validate::cut;

/// Bytes of a document's number as it is written.
pub const NUMBER_MAX: usize = 128;

/// Which documents to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub customer: Option<String>,
    pub status: Option<Status>,
    pub kind: Option<DocumentKind>,
    /// The id of the order or the bill.
    pub order: Option<String>,
    /// As it is written on the document.
    pub number: Option<String>,
    /// Due on this day or before.
    pub due_to: Option<NaiveDate>,
}

/// A document, and what became of it.
///
/// # Errors
/// `NotFound`; what kept it from being read.
pub async fn one(ledger: &Ledger, call: &Call, id: &str) -> Result<(InvoiceRow, Vec<SettlementRow>), Failure> {
    let _place = ledger.enter_read()?;
    let row = super::get(ledger, &call.tenant, id).await?;
    let settlements = store::settlements(&ledger.parts().pool, row.id).await.map_err(|error| read_failure(&error))?;
    Ok((row, settlements))
}

/// A page of documents, newest first, and the next page's token; `None` after the last.
///
/// # Errors
/// `Invalid` for a token of another query; what kept them from being read.
pub async fn list(
    ledger: &Ledger,
    call: &Call,
    wanted: Wanted,
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<InvoiceRow>, Option<String>), Failure> {
    let query = RequestHash::of(&[b"ListInvoices", call.tenant.as_bytes(), format!("{wanted:?}").as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let Wanted { customer, status, kind, order, number, due_to } = wanted;
    let filter =
        InvoiceFilter { tenant: call.tenant.to_string(), customer, status, kind, source: order, due_to, number };
    let _place = ledger.enter_read()?;
    let rows = store::list(&ledger.parts().pool, &filter, start.seq, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| seal.token(query, &Cursor { seq: row.id, ..Cursor::START }));
    Ok((rows, next))
}

/// Bytes of an invoice's id.
pub const INVOICE_ID_MAX: usize = 20;

/// Which payments of invoices to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct WantedPayments {
    pub customer: Option<String>,
    /// The invoice's id.
    pub invoice: Option<String>,
    /// From when, and before when.
    pub times: fields::Times,
}

/// A page of what payments paid of invoices, newest first, and the next page's token; `None` after the last.
///
/// # Errors
/// `Invalid` for what is no invoice's id, and for a token of another query; what kept them from being read.
pub async fn payments(
    ledger: &Ledger,
    call: &Call,
    (wanted, spelled): (WantedPayments, Spelling),
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<PaymentRow>, Option<String>), Failure> {
    let query = RequestHash::of(&[b"ListPayments", call.tenant.as_bytes(), format!("{wanted:?}").as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let before = (start != Cursor::START).then_some(start).and_then(|start| {
        let invoice = i64::try_from(start.id.as_u128()).ok()?;
        Some(Place { at: DateTime::from_timestamp_micros(start.seq)?, seq: start.row, invoice })
    });
    let WantedPayments { customer, invoice, times: (from, to) } = wanted;
    let number = |id: String| {
        let field = spelled(names::INVOICE_ID);
        let wrong =
            || Failure::Invalid(format!("{field} {:?} is not the id of an invoice, such as \"1024\"", cut(&id)));
        id.parse().map_err(|_| wrong())
    };
    let invoice = invoice.map(number).transpose()?;
    let filter = PaymentFilter { tenant: call.tenant.to_string(), customer, invoice, from, to };
    let _place = ledger.enter_read()?;
    let rows = payments::list(&ledger.parts().pool, &filter, before, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| {
        let Place { at, seq, invoice } = row.place;
        let id = Uuid::from_u128(u128::from(invoice.unsigned_abs())); // ids of invoices are above zero
        seal.token(query, &Cursor { seq: at.timestamp_micros(), row: seq, id })
    });
    Ok((rows, next))
}
