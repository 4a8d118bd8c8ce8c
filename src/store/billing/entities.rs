//! Legal entities, and the taxes that they charge.

use chrono::{DateTime, Month, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgPool};

use crate::billing::terms;
use crate::store::operators::{self, Doing};
use crate::store::{StoreError, limited};

/// A legal entity.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityRow {
    pub id: String,
    pub name: String,
    /// Its lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub invoice_format: String,
    pub credit_format: String,
    /// Days from an invoice's date to its due date.
    pub payment_days: i32,
    /// The month in which its fiscal year begins, 1 to 12.
    pub fiscal_month: i16,
    /// An IANA name, such as `Europe/Berlin`.
    pub time_zone: String,
    /// The currency of its books; `None`: each document's own.
    pub book_currency: Option<String>,
    /// The region of orders that name none.
    pub region: Option<String>,
    /// Whether customers with an address get invoices and credit notes by mail when they are issued.
    pub mails_invoices: bool,
    /// In hexadecimal digits; `None`: it has no logo.
    pub logo_sha256: Option<String>,
}

const COLUMNS: &str = "id, name, address, tax_id, phone, email, invoice_format, credit_format, payment_days, fiscal_month, time_zone, book_currency, region, mails_invoices, encode(sha256(logo), 'hex') AS logo_sha256";
/// Entities of one tenant, at most.
pub const ENTITIES_MAX: i64 = 1_000;

impl EntityRow {
    /// The day at its place; UTC if its time zone is not known.
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        self.time_zone.parse::<chrono_tz::Tz>().map_or(now.date_naive(), |zone| now.with_timezone(&zone).date_naive())
    }

    /// The fiscal year of a day.
    pub fn fiscal_year(&self, day: NaiveDate) -> i32 {
        let month = u8::try_from(self.fiscal_month).ok().and_then(|month| Month::try_from(month).ok());
        terms::fiscal_year(day, month.unwrap_or(Month::January))
    }

    /// The last day on which an invoice of this day can be paid in time.
    pub fn due_on(&self, issued_on: NaiveDate) -> NaiveDate {
        terms::due_date(issued_on, u16::try_from(self.payment_days).unwrap_or(u16::MAX))
    }
}

/// One entity; `None`: there is none of this id.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: &str) -> Result<Option<EntityRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM entities WHERE tenant = $1 AND id = $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// All entities of a tenant, by id.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, tenant: &str) -> Result<Vec<EntityRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM entities WHERE tenant = $1 ORDER BY id LIMIT $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(ENTITIES_MAX);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// Makes an entity, or puts this in place of what was said of it. An empty logo takes it away, and without one it stays.
/// Records the operator's action, in one transaction. Returns whether there was room for it.
///
/// # Errors
/// Any failure of the statements: nothing was changed, unless the answer was lost.
///
/// # Panics
/// Never: texts and numbers always encode.
pub async fn put(pool: &PgPool, mut new: EntityRow, logo: Option<&[u8]>, by: &Doing<'_>) -> Result<bool, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let sql = format!("SELECT {COLUMNS} FROM entities WHERE tenant = $1 AND id = $2 FOR NO KEY UPDATE");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(by.tenant).bind(&new.id);
        let before: Option<EntityRow> = query.fetch_optional(&mut *transaction).await?;
        new.logo_sha256 = match logo {
            Some([]) => None,
            Some(logo) => Some(Sha256::digest(logo).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))),
            None => before.as_ref().and_then(|before| before.logo_sha256.clone()),
        };
        if before.as_ref() == Some(&new) {
            return Ok(true);
        }
        let query = sqlx::query(
            "INSERT INTO entities (tenant, id, name, address, tax_id, phone, email, invoice_format, credit_format, payment_days, fiscal_month, time_zone, book_currency, region, mails_invoices, logo)
               SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $17
                 WHERE (SELECT count(*) FROM entities WHERE tenant = $1) < $16 OR EXISTS (SELECT FROM entities WHERE tenant = $1 AND id = $2)
               ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, address = excluded.address, tax_id = excluded.tax_id, phone = excluded.phone, email = excluded.email,
                 invoice_format = excluded.invoice_format, credit_format = excluded.credit_format, payment_days = excluded.payment_days, fiscal_month = excluded.fiscal_month,
                 time_zone = excluded.time_zone, book_currency = excluded.book_currency, region = excluded.region, mails_invoices = excluded.mails_invoices,
                 logo = CASE WHEN $18 THEN excluded.logo ELSE entities.logo END, updated_at = clock_timestamp()",
        );
        let query = query.bind(by.tenant).bind(&new.id).bind(&new.name).bind(&new.address).bind(&new.tax_id);
        let query = query.bind(&new.phone).bind(&new.email).bind(&new.invoice_format).bind(&new.credit_format);
        let query = query.bind(new.payment_days).bind(new.fiscal_month).bind(&new.time_zone);
        let query = query.bind(&new.book_currency).bind(&new.region).bind(new.mails_invoices).bind(ENTITIES_MAX);
        let query = query.bind(logo.filter(|logo| !logo.is_empty())).bind(logo.is_some());
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let text = |row: &EntityRow| serde_json::to_string(row).expect("texts and numbers encode");
        let did = by.by.did("entity.put", &new.id, before.as_ref().map(text), Some(text(&new)));
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(true)
    })
    .await
}

/// What stands at the head of an entity's papers.
#[derive(Clone, Debug, FromRow)]
pub struct LetterheadRow {
    pub name: String,
    /// Lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    /// PNG or SVG.
    pub logo: Option<Vec<u8>>,
}

/// The letterhead of one entity; `None`: there is none of this id.
///
/// # Errors
/// Any failure of the statement.
pub async fn letterhead(pool: &PgPool, tenant: &str, id: &str) -> Result<Option<LetterheadRow>, StoreError> {
    let query =
        sqlx::query_as("SELECT name, address, tax_id, phone, email, logo FROM entities WHERE tenant = $1 AND id = $2");
    limited(async { Ok(query.bind(tenant).bind(id).fetch_optional(pool).await?) }).await
}

/// A tax rate by region, category and date.
#[derive(Clone, Debug, FromRow)]
pub struct TaxRateRow {
    /// `None`: any.
    pub region: Option<String>,
    /// `None`: any.
    pub category: Option<String>,
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    /// As text, since a decimal of the database has more digits than [`Decimal`].
    pub percent: String,
    pub effective_from: NaiveDate,
}

impl TaxRateRow {
    /// `None`: it is not a decimal that can be computed with.
    pub fn percent(&self) -> Option<Decimal> {
        self.percent.parse().ok()
    }
}

/// Tax rates of one tenant that can be told apart; more are refused when they are made.
pub(super) const RATES_MAX: i64 = 10_000;

/// All tax rates of a tenant, oldest first.
///
/// # Errors
/// Any failure of the statement.
pub async fn tax_rates(pool: &PgPool, tenant: &str) -> Result<Vec<TaxRateRow>, StoreError> {
    let query = sqlx::query_as(
        "SELECT region, category, treatment, percent::text AS percent, effective_from FROM tax_rates WHERE tenant = $1
           ORDER BY effective_from, id LIMIT $2",
    );
    limited(async { Ok(query.bind(tenant).bind(RATES_MAX).fetch_all(pool).await?) }).await
}
