//! Reading holds back.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::account::Identity;
use crate::protocol::record::TransactionId;

#[derive(Clone, Debug, FromRow)]
pub struct HoldRow {
    /// Also the id of the transaction that opened it.
    pub id: Uuid,
    pub tenant: String,
    /// The id of the account whose money is held.
    pub debit: String,
    /// The id of the payee's account.
    pub credit: String,
    /// The number of the account whose money is held; 0 where it was not read.
    pub debit_account: i64,
    /// The number of the payee's account; 0 where it was not read.
    pub credit_account: i64,
    pub currency: String,
    /// Decimals of the currency.
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    /// What was held at first, in minor units.
    #[sqlx(try_from = "Numeric")]
    pub amount: i128,
    /// Paid so far, in minor units.
    #[sqlx(try_from = "Numeric")]
    pub captured: i128,
    /// Released so far, in minor units.
    #[sqlx(try_from = "Numeric")]
    pub voided: i128,
    /// When what is left is released.
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Something is left of it.
    Open,
    /// Nothing is left, and something was captured.
    Captured,
    /// Nothing is left, and nothing was captured.
    Voided,
}

impl HoldState {
    /// The name wherever it is written as text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Captured => "captured",
            Self::Voided => "voided",
        }
    }
}

impl HoldRow {
    pub fn state(&self) -> HoldState {
        match (self.remaining(), self.captured) {
            (1.., _) => HoldState::Open,
            (_, 1..) => HoldState::Captured,
            _ => HoldState::Voided,
        }
    }

    /// What is still held, in minor units.
    pub fn remaining(&self) -> i128 {
        self.amount - self.captured - self.voided
    }
}

const HOLD: &str = "SELECT h.id, d.tenant, d.name AS debit, c.name AS credit, h.debit_account, h.credit_account, d.currency, k.exponent, h.amount, h.captured, \
       h.voided, h.expires_at \
     FROM holds h JOIN accounts d ON d.id = h.debit_account JOIN accounts c ON c.id = h.credit_account JOIN currencies k ON k.code = d.currency";

/// One hold of a tenant; `None`: there is none. A payout's hold belongs to the payout alone, and is not found.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: TransactionId) -> Result<Option<HoldRow>, StoreError> {
    let sql =
        format!("{HOLD} WHERE h.id = $1 AND d.tenant = $2 AND NOT EXISTS (SELECT FROM sagas s WHERE s.id = h.id)");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).bind(tenant);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// A hold in a list.
#[derive(Clone, Debug, FromRow)]
pub struct Listed {
    #[sqlx(flatten)]
    pub hold: HoldRow,
    /// The place of its transaction.
    pub seq: i64,
}

/// At most `count` holds of an account's money whose places are below `below`, newest first. Names are looked up one by
/// one, so that no plan reads a table whole.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, account: &Identity, below: i64, count: usize) -> Result<Vec<Listed>, StoreError> {
    let sql = "SELECT h.seq, h.id, $4::text AS tenant, $5::text AS debit, (SELECT a.name FROM accounts a WHERE a.id = h.credit_account) AS credit, \
         h.debit_account, h.credit_account, $6::text AS currency, $7::smallint AS exponent, h.amount, h.captured, h.voided, h.expires_at \
         FROM holds h WHERE h.debit_account = $1 AND h.seq < $2 ORDER BY h.seq DESC LIMIT $3";
    let query = sqlx::query_as(sql).bind(account.id.0).bind(below).bind(i64::try_from(count).unwrap_or(i64::MAX));
    let query = query
        .bind(&*account.tenant)
        .bind(&*account.name)
        .bind(account.currency.code.as_str())
        .bind(i16::from(account.currency.exponent));
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// At most `count` expired holds, the earliest first.
///
/// # Errors
/// Any failure of the statement.
pub async fn due(pool: &PgPool, count: i64) -> Result<Vec<HoldRow>, StoreError> {
    let sql = format!(
        "{HOLD} WHERE h.captured + h.voided < h.amount AND h.expires_at <= statement_timestamp() ORDER BY h.expires_at, h.id LIMIT $1"
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(count);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// Milliseconds until the earliest open hold expires, by the database's clock; negative: it has expired. `None`: none
/// is open.
///
/// # Errors
/// Any failure of the statement.
pub async fn next_due(pool: &PgPool) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint FROM holds WHERE captured + voided < amount ORDER BY expires_at, id LIMIT 1";
    let query = sqlx::query_scalar(sql);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}
