//! Rates of exchange: append-only, the newest observation counts.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::{StoreError, limited};
use crate::protocol::record::OperatorAction;

/// A rate as it was quoted.
#[derive(Clone, Debug, FromRow)]
pub struct RateRow {
    /// Its number.
    pub id: i64,
    /// One unit of this currency
    pub base: String,
    /// of this
    pub quote: String,
    /// is so many.
    #[sqlx(try_from = "String")]
    pub rate: RateText,
    /// Who quoted it.
    pub source: String,
    /// When it was quoted: how old it is counts from here.
    pub observed_at: DateTime<Utc>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
}

/// A rate, read from the database's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateText(pub Decimal);

impl TryFrom<String> for RateText {
    type Error = rust_decimal::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(text.parse::<Decimal>()?.normalize()))
    }
}

/// A rate to be written down.
#[derive(Clone, Debug)]
pub struct NewRate {
    /// Whose.
    pub tenant: String,
    /// One unit of this currency
    pub base: String,
    /// of this
    pub quote: String,
    /// is so many.
    pub rate: Decimal,
    /// Who quoted it.
    pub source: String,
    /// When it was quoted.
    pub observed_at: DateTime<Utc>,
    /// The request's correlation id.
    pub correlation: Option<String>,
}

const RATE: &str = "SELECT id, base, quote, rate::text AS rate, source, observed_at, created_at FROM rates WHERE tenant = $1";

/// Writes a rate down, and who did.
///
/// # Errors
/// Any failure of the statements; nothing was written then, unless the connection was lost.
pub async fn add(pool: &PgPool, new: &NewRate, action: &OperatorAction) -> Result<RateRow, StoreError> {
    let sql = "WITH added AS (INSERT INTO rates (tenant, base, quote, rate, source, observed_at) VALUES ($1, $2, $3, $4::numeric, $5, $6) RETURNING *), \
               noted AS (INSERT INTO operator_actions (id, tenant, at, actor, action, subject, reason, after, correlation) \
                 SELECT $7, $1, clock_timestamp(), $8, $9, $10, $11, jsonb_build_object('rate_id', id, 'rate', rate::text, 'source', source, 'observed_at', observed_at), $12 FROM added) \
               SELECT id, base, quote, rate::text AS rate, source, observed_at, created_at FROM added";
    let query = sqlx::query_as(sql)
        .bind(&new.tenant)
        .bind(&new.base)
        .bind(&new.quote)
        .bind(new.rate.to_string())
        .bind(&new.source)
        .bind(new.observed_at)
        .bind(Uuid::now_v7())
        .bind(&action.actor)
        .bind(action.action)
        .bind(&action.subject)
        .bind(&action.reason)
        .bind(&new.correlation);
    limited(async { Ok(query.fetch_one(pool).await?) }).await
}

/// The newest rate of a pair.
///
/// # Errors
/// Any failure of the statement.
pub async fn newest(pool: &PgPool, tenant: &str, base: &str, quote: &str) -> Result<Option<RateRow>, StoreError> {
    let sql = format!("{RATE} AND base = $2 AND quote = $3 ORDER BY observed_at DESC, id DESC LIMIT 1");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(base).bind(quote);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// One rate.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: i64) -> Result<Option<RateRow>, StoreError> {
    let sql = format!("{RATE} AND id = $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// Rates of a pair from a place on, the newest observation first; `before`: the number of the last one seen.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, tenant: &str, (base, quote): (&str, &str), before: Option<i64>, count: i64) -> Result<Vec<RateRow>, StoreError> {
    let sql = format!(
        "{RATE} AND base = $2 AND quote = $3 AND ($4::bigint IS NULL OR (observed_at, id) < (SELECT observed_at, id FROM rates WHERE id = $4)) ORDER BY observed_at DESC, id DESC LIMIT $5"
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(base).bind(quote).bind(before).bind(count);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}
