//! Invoices and credit notes as they stand, and what became of them.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool, QueryBuilder};

use crate::billing::invoice::{Balance, Status};
use crate::money::{Amount, Currency, CurrencyCode};
use crate::protocol::content::Content;
use crate::protocol::record::{DocumentKind, SettlementKind};
use crate::store::numeric::Numeric;
use crate::store::{StoreError, limited};

/// A document as it stands.
#[derive(Clone, Debug)]
pub struct InvoiceRow {
    pub id: i64,
    pub entity: String,
    pub kind: DocumentKind,
    pub customer: String,
    /// The id of the order or the bill.
    pub source: Option<String>,
    pub currency: Currency,
    pub subtotal: Amount,
    pub tax: Amount,
    pub due_on: Option<NaiveDate>,
    pub content: Content,
    /// The invoice that a credit note corrects.
    pub corrects: Option<i64>,
    /// As it is written; `None`: a draft.
    pub number: Option<String>,
    pub issued_at: Option<DateTime<Utc>>,
    /// The currency of the books.
    pub book_currency: String,
    /// Rises with each change.
    pub version: i32,
    pub balance: Balance,
    /// Since when it is known not to have been paid in time.
    pub overdue_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    entity: String,
    document: i16,
    customer: String,
    source: Option<String>,
    currency: String,
    exponent: i16,
    subtotal: Numeric,
    tax: Numeric,
    total: Numeric,
    due_on: Option<NaiveDate>,
    content: Json<Content>,
    corrects: Option<i64>,
    year: Option<i32>,
    number: Option<i64>,
    number_format: Option<String>,
    issued_at: Option<DateTime<Utc>>,
    book_currency: String,
    status: i16,
    version: i32,
    paid: Numeric,
    credited: Numeric,
    returned: Numeric,
    written_off: Numeric,
    overdue_at: Option<DateTime<Utc>>,
}

const INVOICE: &str = "SELECT i.id, i.entity, i.document, i.customer, i.source, i.currency, c.exponent, i.subtotal, i.tax, i.total, i.due_on, i.content, i.corrects, i.year, i.number,
    i.number_format, i.issued_at, i.book_currency, i.status, i.version, i.paid, i.credited, i.returned, i.written_off, i.overdue_at
  FROM invoices i JOIN currencies c ON c.code = i.currency";

/// The same without lines, of which a document may have many.
fn without_lines() -> String {
    INVOICE.replace("i.content", "jsonb_set(i.content, '{lines}', '[]') AS content")
}

impl Row {
    /// # Errors
    /// When a number is not one that this version knows.
    fn read(self) -> Result<InvoiceRow, StoreError> {
        let unreadable = |what: &str| StoreError::Lost(format!("invoice {} has a {what} that cannot be read", self.id));
        let amount = |Numeric(units)| Amount::new(units).map_err(|_| unreadable("amount"));
        let exponent = u8::try_from(self.exponent).map_err(|_| unreadable("exponent"))?;
        let code = CurrencyCode::parse(&self.currency).ok_or_else(|| unreadable("currency"))?;
        let number = match (&self.number_format, self.year, self.number) {
            (Some(format), Some(year), Some(number)) => Some(super::number_text(format, year, number)),
            _ => None,
        };
        let balance = Balance {
            status: Status::from_code(self.status).ok_or_else(|| unreadable("status"))?,
            total: amount(self.total)?,
            paid: amount(self.paid)?,
            credited: amount(self.credited)?,
            returned: amount(self.returned)?,
            written_off: amount(self.written_off)?,
        };
        Ok(InvoiceRow {
            kind: DocumentKind::from_code(self.document).ok_or_else(|| unreadable("kind"))?,
            currency: Currency { code, exponent },
            subtotal: amount(self.subtotal)?,
            tax: amount(self.tax)?,
            number,
            balance,
            id: self.id,
            entity: self.entity,
            customer: self.customer,
            source: self.source,
            due_on: self.due_on,
            content: self.content.0,
            corrects: self.corrects,
            issued_at: self.issued_at,
            book_currency: self.book_currency,
            version: self.version,
            overdue_at: self.overdue_at,
        })
    }
}

/// One document of a tenant; `None`: there is none of this number.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: i64) -> Result<Option<InvoiceRow>, StoreError> {
    let sql = format!("{INVOICE} WHERE i.id = $1 AND i.tenant = $2");
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql)).bind(id).bind(tenant);
    let row = limited(async { Ok(query.fetch_optional(pool).await?) }).await?;
    row.map(Row::read).transpose()
}

/// Those of these documents of a tenant that there are, without their lines.
///
/// # Errors
/// Any failure of the statement.
pub async fn several(pool: &PgPool, tenant: &str, ids: &[i64]) -> Result<Vec<InvoiceRow>, StoreError> {
    let sql = format!("{} WHERE i.id = ANY ($1) AND i.tenant = $2", without_lines());
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql)).bind(ids).bind(tenant);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    rows.into_iter().map(Row::read).collect()
}

/// Which documents to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct InvoiceFilter {
    pub tenant: String,
    pub customer: Option<String>,
    pub status: Option<Status>,
    pub kind: Option<DocumentKind>,
    /// The id of the order or the bill.
    pub source: Option<String>,
    /// Due on this day or before.
    pub due_to: Option<NaiveDate>,
    /// As it is written on the document.
    pub number: Option<String>,
}

/// Documents that are read to find those of one number, at most.
const SAME_DIGITS_MAX: i64 = 10_000;

/// At most `rows_max` documents, without their lines, with ids below `before`, the newest first.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    filter: &InvoiceFilter,
    before: i64,
    rows_max: i64,
) -> Result<Vec<InvoiceRow>, StoreError> {
    let mut query = QueryBuilder::new(without_lines());
    query.push(" WHERE i.tenant = ").push_bind(&filter.tenant).push(" AND i.id < ").push_bind(before);
    if let Some(customer) = &filter.customer {
        query.push(" AND i.customer = ").push_bind(customer);
    }
    if let Some(status) = filter.status {
        query.push(" AND i.status = ").push_bind(status.code());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND i.document = ").push_bind(kind.code());
    }
    if let Some(source) = &filter.source {
        query.push(" AND i.source = ").push_bind(source);
    }
    if let Some(due_to) = filter.due_to {
        query.push(" AND i.due_on <= ").push_bind(due_to);
    }
    let limit = match &filter.number {
        Some(text) => {
            // the index of numbers begins with their series
            query.push(" AND (i.entity, i.document, i.year) IN (SELECT entity, document, year FROM number_series WHERE tenant = ");
            query.push_bind(&filter.tenant).push(") AND i.number = ANY (").push_bind(within(text)).push(")");
            SAME_DIGITS_MAX
        }
        None => rows_max,
    };
    query.push(" ORDER BY i.id DESC LIMIT ").push_bind(limit);
    let rows: Vec<Row> = limited(async { Ok(query.build_query_as().fetch_all(pool).await?) }).await?;
    let mut rows = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    if filter.number.is_some() {
        rows.retain(|row| row.number == filter.number);
        rows.truncate(usize::try_from(rows_max).unwrap_or(usize::MAX));
    }
    Ok(rows)
}

/// All numbers that stand in a text: one of them is the document's, whatever its format says around it.
fn within(text: &str) -> Vec<i64> {
    let mut found: Vec<i64> = text
        .split(|letter: char| !letter.is_ascii_digit())
        .flat_map(|digits| {
            let bounds = (0..digits.len()).flat_map(move |from| (from + 1..=digits.len()).map(move |to| (from, to)));
            bounds.filter_map(|(from, to)| digits[from..to].parse().ok())
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Invoices of a customer in a currency of which something is due, without their lines, those that are due first
/// first.
///
/// # Errors
/// Any failure of the statement.
pub async fn open(
    pool: &PgPool,
    tenant: &str,
    customer: &str,
    currency: &str,
    rows_max: i64,
) -> Result<Vec<InvoiceRow>, StoreError> {
    let sql = format!(
        "{} WHERE i.tenant = $1 AND i.customer = $2 AND i.currency = $3 AND i.status IN (2, 5) AND i.document = 1
           AND i.total > i.paid + i.credited + i.written_off ORDER BY i.due_on, i.year, i.number, i.id LIMIT $4",
        without_lines()
    );
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql));
    let query = query.bind(tenant).bind(customer).bind(currency).bind(rows_max);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    rows.into_iter().map(Row::read).collect()
}

/// Invoices of all tenants whose last day to be paid was before this one, and that are not known to be overdue, with
/// their tenants.
///
/// # Errors
/// Any failure of the statement.
pub async fn overdue(pool: &PgPool, day: NaiveDate, rows_max: i64) -> Result<Vec<(String, InvoiceRow)>, StoreError> {
    let sql = "SELECT tenant, id FROM invoices WHERE status = 2 AND due_on < $1 AND overdue_at IS NULL AND document = 1 ORDER BY due_on, id LIMIT $2";
    let query = sqlx::query_as::<_, (String, i64)>(sql).bind(day).bind(rows_max);
    let found = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    let ids: Vec<i64> = found.iter().map(|(_, id)| *id).collect();
    let sql = format!("{} WHERE i.id = ANY ($1)", without_lines());
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql)).bind(ids);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    let tenants: std::collections::HashMap<i64, String> = found.into_iter().map(|(tenant, id)| (id, tenant)).collect();
    let rows = rows.into_iter().filter_map(|row| Some((tenants.get(&row.id)?.clone(), row)));
    rows.map(|(tenant, row)| Ok((tenant, row.read()?))).collect()
}

/// The credit notes of an invoice.
///
/// # Errors
/// Any failure of the statement.
pub async fn credit_notes(pool: &PgPool, invoice: i64) -> Result<Vec<InvoiceRow>, StoreError> {
    let sql = format!("{INVOICE} WHERE i.id IN (SELECT credit_note FROM settlements WHERE invoice = $1)");
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql)).bind(invoice);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    rows.into_iter().map(Row::read).collect()
}

/// What became of an invoice, once. Amounts are in minor units.
#[derive(Clone, Debug)]
pub struct SettlementRow {
    pub kind: SettlementKind,
    /// By which less was due.
    pub amount: i128,
    /// Paid or credited beyond what was due.
    pub excess: i128,
    pub due_after: i128,
    pub status_after: Status,
    /// The credit note that credited it.
    pub credit_note: Option<i64>,
    /// The transaction that did it.
    pub transaction: uuid::Uuid,
    pub at: DateTime<Utc>,
}

type SettlementColumns = (i16, Numeric, Numeric, Numeric, i16, Option<i64>, uuid::Uuid, DateTime<Utc>);

/// Settlements of one invoice that a read returns, at most.
const SETTLEMENTS_MAX: i64 = 10_000;

/// What became of an invoice, oldest first.
///
/// # Errors
/// Any failure of the statement.
pub async fn settlements(pool: &PgPool, invoice: i64) -> Result<Vec<SettlementRow>, StoreError> {
    let query = sqlx::query_as::<_, SettlementColumns>(
        "SELECT s.kind, s.amount, s.excess, s.due_after, s.status_after, s.credit_note, j.id, s.at
           FROM settlements s JOIN journal_at(ARRAY(SELECT seq FROM settlements WHERE invoice = $1)) j ON j.seq = s.seq
           WHERE s.invoice = $1 ORDER BY s.seq LIMIT $2",
    );
    let query = query.bind(invoice).bind(SETTLEMENTS_MAX);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    let read = |(kind, amount, excess, due, status, credit_note, transaction, at): SettlementColumns| {
        let unreadable = || StoreError::Lost(format!("a settlement of invoice {invoice} cannot be read"));
        Ok(SettlementRow {
            kind: SettlementKind::from_code(kind).ok_or_else(unreadable)?,
            amount: amount.0,
            excess: excess.0,
            due_after: due.0,
            status_after: Status::from_code(status).ok_or_else(unreadable)?,
            credit_note,
            transaction,
            at,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Draws the id of a document to be issued.
///
/// # Errors
/// Any failure of the statement.
pub async fn draw_id(pool: &PgPool) -> Result<i64, StoreError> {
    limited(async { Ok(sqlx::query_scalar("SELECT nextval('invoice_ids')").fetch_one(pool).await?) }).await
}
