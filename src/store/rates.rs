//! Exchange rates: rows are only added, and the newest observation counts.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::{StoreError, limited};
use crate::protocol::record::OperatorAction;

/// A rate as it was quoted: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Debug, FromRow)]
pub struct RateRow {
    pub id: i64,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    #[sqlx(try_from = "String")]
    pub rate: RateText,
    pub source: String,
    /// When it was quoted: its age counts from here.
    pub observed_at: DateTime<Utc>,
    /// When it was stored.
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

/// A rate to be stored: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Debug)]
pub struct NewRate {
    pub tenant: String,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    pub rate: Decimal,
    pub source: String,
    /// When it was quoted: its age counts from here.
    pub observed_at: DateTime<Utc>,
    pub correlation: Option<String>,
}

const RATE: &str =
    "SELECT id, base, quote, rate::text AS rate, source, observed_at, created_at FROM rates WHERE tenant = $1";

/// Stores a rate, and records the operator's action.
///
/// # Errors
/// Any failure of the statements; nothing was stored then, unless the connection was lost.
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

/// The newest rate of a pair; `None`: there is none.
///
/// # Errors
/// Any failure of the statement.
pub async fn newest(pool: &PgPool, tenant: &str, base: &str, quote: &str) -> Result<Option<RateRow>, StoreError> {
    let sql = format!("{RATE} AND base = $2 AND quote = $3 ORDER BY observed_at DESC, id DESC LIMIT 1");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(base).bind(quote);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

#[derive(FromRow)]
struct AsOf {
    n: i64,
    #[sqlx(flatten)]
    rate: RateRow,
}

/// The newest rate of a pair at each of these times; `None`: there was none yet. Each is looked up by itself: what lies
/// between two times is not read, however far apart they are.
///
/// # Errors
/// Any failure of the statement.
pub async fn as_of(
    pool: &PgPool,
    tenant: &str,
    (base, quote): (&str, &str),
    times: &[DateTime<Utc>],
) -> Result<Vec<Option<RateRow>>, StoreError> {
    let sql = format!(
        "SELECT t.n, r.* FROM unnest($4::timestamptz[]) WITH ORDINALITY AS t(at, n), LATERAL (
           {RATE} AND base = $2 AND quote = $3 AND observed_at <= t.at ORDER BY observed_at DESC, id DESC LIMIT 1) r"
    );
    let query = sqlx::query_as::<_, AsOf>(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(base).bind(quote).bind(times);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    let mut found = vec![None; times.len()];
    for AsOf { n, rate } in rows {
        if let Some(place) = usize::try_from(n - 1).ok().and_then(|at| found.get_mut(at)) {
            *place = Some(rate);
        }
    }
    Ok(found)
}

/// `None`: the tenant has no rate of this number.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: i64) -> Result<Option<RateRow>, StoreError> {
    let sql = format!("{RATE} AND id = $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// At most `count` rates of a pair, the newest observation first; `before` is the number of the last one seen.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    tenant: &str,
    (base, quote): (&str, &str),
    before: Option<i64>,
    count: i64,
) -> Result<Vec<RateRow>, StoreError> {
    let sql = format!(
        "{RATE} AND base = $2 AND quote = $3 AND ($4::bigint IS NULL OR (observed_at, id) < (SELECT observed_at, id FROM rates WHERE id = $4)) ORDER BY observed_at DESC, id DESC LIMIT $5"
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(base).bind(quote).bind(before).bind(count);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}
