//! Payments of invoices: a payment that paid several has a row for each of them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool, QueryBuilder};
use uuid::Uuid;

use crate::money::{Currency, CurrencyCode};
use crate::store::numeric::Numeric;
use crate::store::{StoreError, limited};

/// What a payment paid of an invoice. Amounts are in minor units.
#[derive(Clone, Debug)]
pub struct PaymentRow {
    pub place: Place,
    /// The invoice's, as it is written.
    pub number: Option<String>,
    pub customer: String,
    pub currency: Currency,
    /// By how much less was due.
    pub amount: i128,
    /// Paid beyond what was due.
    pub excess: i128,
    pub due_after: i128,
    /// The transaction that did it.
    pub transaction: Uuid,
}

/// Where a payment stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub at: DateTime<Utc>,
    /// Of its record in the journal.
    pub seq: i64,
    pub invoice: i64,
}

/// Which payments to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct PaymentFilter {
    pub tenant: String,
    pub customer: Option<String>,
    pub invoice: Option<i64>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct Row {
    at: DateTime<Utc>,
    seq: i64,
    invoice: i64,
    year: Option<i32>,
    number: Option<i64>,
    number_format: Option<String>,
    customer: String,
    currency: String,
    exponent: i16,
    amount: Numeric,
    excess: Numeric,
    due_after: Numeric,
    transaction: Uuid,
}

impl Row {
    /// # Errors
    /// When its currency is not one that this version knows.
    fn read(self) -> Result<PaymentRow, StoreError> {
        let unreadable = || StoreError::Lost(format!("a payment of invoice {} cannot be read", self.invoice));
        let code = CurrencyCode::parse(&self.currency).ok_or_else(unreadable)?;
        let exponent = u8::try_from(self.exponent).map_err(|_| unreadable())?;
        let number = match (&self.number_format, self.year, self.number) {
            (Some(format), Some(year), Some(number)) => Some(super::number_text(format, year, number)),
            _ => None,
        };
        Ok(PaymentRow {
            place: Place { at: self.at, seq: self.seq, invoice: self.invoice },
            number,
            customer: self.customer,
            currency: Currency { code, exponent },
            amount: self.amount.0,
            excess: self.excess.0,
            due_after: self.due_after.0,
            transaction: self.transaction,
        })
    }
}

/// At most `rows_max` payments before this place, the newest first; `None`: from the newest. Each filter has an index
/// that ends with the place, the invoice's is that of its settlements.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    filter: &PaymentFilter,
    before: Option<Place>,
    rows_max: i64,
) -> Result<Vec<PaymentRow>, StoreError> {
    let mut sql = QueryBuilder::new(
        "WITH page AS MATERIALIZED (SELECT invoice, seq, customer, amount, excess, due_after, at FROM settlements WHERE kind = 1 AND tenant = ",
    );
    sql.push_bind(&filter.tenant);
    if let Some(customer) = &filter.customer {
        sql.push(" AND customer = ").push_bind(customer);
    }
    if let Some(invoice) = filter.invoice {
        sql.push(" AND invoice = ").push_bind(invoice);
    }
    if let Some(from) = filter.from {
        sql.push(" AND at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND at < ").push_bind(to);
    }
    if let Some(Place { at, seq, invoice }) = before {
        sql.push(" AND (at, seq, invoice) < (").push_bind(at).push(", ").push_bind(seq);
        sql.push(", ").push_bind(invoice).push(")");
    }
    sql.push(" ORDER BY at DESC, seq DESC, invoice DESC LIMIT ").push_bind(rows_max);
    sql.push(
        ") SELECT p.at, p.seq, p.invoice, i.year, i.number, i.number_format, p.customer, i.currency, c.exponent, p.amount, p.excess, p.due_after, j.id AS transaction
             FROM page p JOIN invoices i ON i.id = p.invoice JOIN currencies c ON c.code = i.currency
               JOIN journal_at(ARRAY(SELECT seq FROM page)) j ON j.seq = p.seq
             ORDER BY p.at DESC, p.seq DESC, p.invoice DESC",
    );
    let rows: Vec<Row> = limited(async { Ok(sql.build_query_as().fetch_all(pool).await?) }).await?;
    rows.into_iter().map(Row::read).collect()
}
