//! What exports are made from, and which were written.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use sqlx::{FromRow, PgPool};

use crate::store::numeric::Numeric;
use crate::store::{StoreError, limited};

/// What a file of an export is of; the number in `exports.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    Invoices = 1,
    LedgerEntries = 2,
}

impl ExportKind {
    pub const ALL: [Self; 2] = [Self::Invoices, Self::LedgerEntries];

    fn code(self) -> i16 {
        self as i16
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ExportRow {
    pub url: String,
    /// Rows below the header.
    pub rows: i64,
}

/// The file of a day; `None`: it was not written yet.
///
/// # Errors
/// Any failure of the statement.
pub async fn written(
    pool: &PgPool,
    tenant: &str,
    day: NaiveDate,
    kind: ExportKind,
) -> Result<Option<ExportRow>, StoreError> {
    let query = sqlx::query_as("SELECT url, rows FROM exports WHERE tenant = $1 AND day = $2 AND kind = $3");
    limited(async { Ok(query.bind(tenant).bind(day).bind(kind.code()).fetch_optional(pool).await?) }).await
}

/// Notes that the file of a day was written.
///
/// # Errors
/// Any failure of the statement.
pub async fn note(
    pool: &PgPool,
    tenant: &str,
    day: NaiveDate,
    kind: ExportKind,
    export: &ExportRow,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO exports (tenant, day, kind, url, rows) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    );
    let query = query.bind(tenant).bind(day).bind(kind.code()).bind(&export.url).bind(export.rows);
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}

/// The first day whose files are to be written by themselves: the one after the last that was, else that of the first
/// document. `None`: there is no document.
///
/// # Errors
/// Any failure of the statement.
pub async fn first_due(pool: &PgPool, tenant: &str) -> Result<Option<NaiveDate>, StoreError> {
    let query = sqlx::query_scalar(
        "SELECT coalesce((SELECT max(day) + 1 FROM exports WHERE tenant = $1),
           (SELECT (issued_at AT TIME ZONE 'UTC')::date FROM invoices WHERE tenant = $1 AND seq IS NOT NULL ORDER BY id LIMIT 1))",
    );
    limited(async { Ok(query.bind(tenant).fetch_one(pool).await?) }).await
}

/// A row of the export of invoices. Amounts are in minor units.
#[derive(Clone, Debug, FromRow)]
pub struct InvoiceLine {
    pub id: i64,
    pub source: Option<String>,
    pub currency: String,
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    #[sqlx(try_from = "Numeric")]
    pub subtotal: i128,
    #[sqlx(try_from = "Numeric")]
    pub tax: i128,
    #[sqlx(try_from = "Numeric")]
    pub total: i128,
    pub issued_at: DateTime<Utc>,
}

/// The span of ids that the invoices of a day have; both are 0 if there are none. It is found once, so that pages go by
/// id alone.
///
/// # Errors
/// Any failure of the statement.
pub async fn invoice_ids(pool: &PgPool, tenant: &str, day: NaiveDate) -> Result<(i64, i64), StoreError> {
    let (from, to) = bounds(day);
    let query = sqlx::query_as(
        "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM invoices WHERE issued_at >= $2 AND issued_at < $3 AND tenant = $1 AND document = 1",
    );
    limited(async { Ok(query.bind(tenant).bind(from).bind(to).fetch_one(pool).await?) }).await
}

/// At most `rows_max` invoices of a day with ids from `from` to `to`, in order.
///
/// # Errors
/// Any failure of the statement.
pub async fn invoices(
    pool: &PgPool,
    tenant: &str,
    day: NaiveDate,
    (from, to): (i64, i64),
    rows_max: i64,
) -> Result<Vec<InvoiceLine>, StoreError> {
    let (begins, ends) = bounds(day);
    let query = sqlx::query_as(
        "SELECT i.id, i.source, i.currency, c.exponent, i.subtotal, i.tax, i.total, i.issued_at
           FROM invoices i JOIN currencies c ON c.code = i.currency
           WHERE i.id BETWEEN $1 AND $2 AND i.tenant = $3 AND i.document = 1 AND i.issued_at >= $4 AND i.issued_at < $5
           ORDER BY i.id LIMIT $6",
    );
    let query = query.bind(from).bind(to).bind(tenant).bind(begins).bind(ends).bind(rows_max);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// A row of the export of ledger entries. The amount is in minor units.
#[derive(Clone, Debug, FromRow)]
pub struct EntryLine {
    pub seq: i64,
    pub transaction: uuid::Uuid,
    pub debit: String,
    pub credit: String,
    pub currency: String,
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    #[sqlx(try_from = "Numeric")]
    pub amount: i128,
    pub created_at: DateTime<Utc>,
}

/// How long before it is committed a record may be accepted, at most.
const SLACK: TimeDelta = TimeDelta::minutes(1);

/// The places between which all postings of a day are.
///
/// # Errors
/// Any failure of the statement.
pub async fn places(pool: &PgPool, day: NaiveDate) -> Result<(i64, i64), StoreError> {
    let (from, to) = bounds(day);
    let query = sqlx::query_as(
        "SELECT journal_place_at($1, interval '1 minute') - 1, least(journal_place_at($2, interval '1 minute'), journal_tip())",
    );
    limited(async { Ok(query.bind(from).bind(to + SLACK * 2).fetch_one(pool).await?) }).await
}

/// Postings of a day behind a place and up to another, in order, from at most `rows_max` rows of the journal; and where
/// the last of these rows is, `None` if there were none.
///
/// # Errors
/// Any failure of the statement.
pub async fn entries(
    pool: &PgPool,
    tenant: &str,
    day: NaiveDate,
    (after, upto): (i64, i64),
    rows_max: i64,
) -> Result<(Vec<EntryLine>, Option<i64>), StoreError> {
    let (begins, ends) = bounds(day);
    let read = async {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM journal_after($1, $2, false, $3)")
            .bind(after)
            .bind(upto)
            .bind(rows_max)
            .fetch_one(pool)
            .await?;
        let rows = sqlx::query_as(
            "SELECT j.seq, j.id AS transaction, d.name AS debit, k.name AS credit, d.currency, c.exponent, j.amount, j.created_at
               FROM journal_after($1, $2, false, $3) j JOIN accounts d ON d.id = j.debit_account JOIN accounts k ON k.id = j.credit_account
                 JOIN currencies c ON c.code = d.currency
               WHERE j.amount IS NOT NULL AND j.tenant = $4 AND j.created_at >= $5 AND j.created_at < $6 ORDER BY j.seq",
        );
        let rows = rows.bind(after).bind(last.unwrap_or(upto)).bind(rows_max).bind(tenant).bind(begins).bind(ends);
        Ok((rows.fetch_all(pool).await?, last))
    };
    limited(read).await
}

/// From when, and before when, a day is (UTC).
fn bounds(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let begins = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    (begins(day), begins(day.succ_opt().unwrap_or(day)))
}
