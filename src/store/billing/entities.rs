//! Legal entities, and the taxes that they charge.

use chrono::{DateTime, Month, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::{FromRow, PgPool};

use crate::billing::terms;
use crate::store::{StoreError, limited};

/// A legal entity as far as billing needs it.
#[derive(Clone, Debug, FromRow)]
pub struct EntityRow {
    pub id: String,
    pub name: String,
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
}

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
    let query = sqlx::query_as(
        "SELECT id, name, invoice_format, credit_format, payment_days, fiscal_month, time_zone, book_currency, region
           FROM entities WHERE tenant = $1 AND id = $2",
    );
    limited(async { Ok(query.bind(tenant).bind(id).fetch_optional(pool).await?) }).await
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
const RATES_MAX: i64 = 10_000;

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
