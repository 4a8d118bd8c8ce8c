//! Balances compared with their postings and holds, and set right by them. Amounts are in minor units.
//!
//! A balance is no projection: the batch that writes a posting moves it. So a difference is damage, and here is what shows and mends it while
//! Florin serves; `florin verify` proves the whole.

mod transactions;

use sqlx::{FromRow, PgConnection, PgPool};

use super::StoreError;
use super::numeric::Numeric;
use super::operators::{self, Doing};
use crate::money::decimal_text;

pub use transactions::{ReconciledTransaction, reconcile_transaction, reconcile_transactions};

/// An account's balance beside what its postings and holds come to.
#[derive(Clone, Debug, FromRow)]
pub struct Reconciled {
    /// As the caller calls it.
    pub name: String,
    /// Decimals of its currency.
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    /// Credits less debits, as the balance has them.
    #[sqlx(try_from = "Numeric")]
    pub balance: i128,
    /// And as the postings have them.
    #[sqlx(try_from = "Numeric")]
    pub posted: i128,
    /// What is held, as the balance has it.
    #[sqlx(try_from = "Numeric")]
    pub held: i128,
    /// And as the open holds have it.
    #[sqlx(try_from = "Numeric")]
    pub open: i128,
    /// Raised by each batch that touched the account.
    pub version: i64,
}

impl Reconciled {
    /// Whether all agrees.
    pub fn agrees(&self) -> bool {
        self.balance == self.posted && self.held == self.open
    }

    /// A balance and what is held on it, as an operator's action keeps them.
    fn json(&self, balance: i128, held: i128) -> String {
        let text = |units| decimal_text(units, self.exponent);
        serde_json::json!({ "balance": text(balance), "held": text(held) }).to_string()
    }
}

/// The money of one currency, over all accounts of a tenant: what it all comes to is nothing.
#[derive(Clone, Debug, FromRow)]
pub struct Equation {
    /// Its code.
    pub currency: String,
    /// Decimals of its minor unit.
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    /// Accounts kept in it.
    pub accounts: i64,
    /// Credits less debits of all of them.
    #[sqlx(try_from = "Numeric")]
    pub total: i128,
}

/// How long an audit may read, and a single account be locked.
const PATIENCE: &str = "SET LOCAL statement_timeout = '60s'; SET LOCAL enable_nestloop = on; SET LOCAL enable_seqscan = on";

/// An account's own postings, along their chain; its open holds, by their index.
const ONE: &str = "SELECT a.name, c.exponent, b.credits - b.debits AS balance, coalesce(p.posted, 0) AS posted, b.held, coalesce(h.open, 0) AS open, b.version \
     FROM accounts a JOIN balances b ON b.account = a.id JOIN currencies c ON c.code = a.currency, \
       LATERAL (SELECT sum(CASE a.id WHEN credit_account THEN amount ELSE -amount END) AS posted FROM account_postings(a.id, 9223372036854775807, 2147483647)) p, \
       LATERAL (SELECT sum(amount - captured - voided) AS open FROM holds WHERE debit_account = a.id) h \
     WHERE a.tenant = $1 AND a.name = $2";

/// One account.
///
/// # Errors
/// Any failure of the statements, a chain of postings that breaks off among them.
pub async fn reconcile(pool: &PgPool, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let row = one(&mut transaction, tenant, name).await?;
    transaction.rollback().await?;
    Ok(row)
}

async fn one(connection: &mut PgConnection, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    Ok(sqlx::query_as(ONE).bind(tenant).bind(name).fetch_optional(connection).await?)
}

/// All accounts of a tenant: how many there are, and those that disagree, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_all(pool: &PgPool, tenant: &str, count: i64) -> Result<(i64, Vec<Reconciled>), StoreError> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let accounts = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE tenant = $1").bind(tenant).fetch_one(&mut *transaction).await?;
    let sql = "SELECT a.name, c.exponent, b.credits - b.debits AS balance, coalesce(p.posted, 0) AS posted, b.held, coalesce(h.open, 0) AS open, b.version \
         FROM accounts a JOIN balances b ON b.account = a.id JOIN currencies c ON c.code = a.currency \
           LEFT JOIN (SELECT account, sum(amount) AS posted FROM ledger_entries GROUP BY account) p ON p.account = a.id \
           LEFT JOIN (SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account) h ON h.debit_account = a.id \
         WHERE a.tenant = $1 AND (b.credits - b.debits <> coalesce(p.posted, 0) OR b.held <> coalesce(h.open, 0)) ORDER BY a.id LIMIT $2";
    let wrong = sqlx::query_as(sql).bind(tenant).bind(count).fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok((accounts, wrong))
}

/// Sets an account's balance and what is held on it to what its postings and holds come to, and keeps who did it; answers what was found before.
/// Payments on it wait.
///
/// # Errors
/// Any failure of the statements: then nothing was changed.
pub async fn rebuild(pool: &PgPool, name: &str, doing: &Doing<'_>) -> Result<Option<Reconciled>, StoreError> {
    let tenant = doing.tenant;
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let lock = "SELECT b.account FROM balances b JOIN accounts a ON a.id = b.account WHERE a.tenant = $1 AND a.name = $2 FOR UPDATE OF b";
    let account: Option<i64> = sqlx::query_scalar(lock).bind(tenant).bind(name).fetch_optional(&mut *transaction).await?;
    let before = one(&mut transaction, tenant, name).await?; // a statement of its own: it sees what committed before the lock was had
    if let (Some(account), Some(before)) = (account, &before)
        && !before.agrees()
    {
        let sums = "UPDATE balances b SET debits = coalesce(p.debits, 0), credits = coalesce(p.credits, 0), held = $2, version = b.version + 1 \
             FROM (SELECT sum(amount) FILTER (WHERE debit_account = $1) AS debits, sum(amount) FILTER (WHERE credit_account = $1) AS credits \
                   FROM account_postings($1, 9223372036854775807, 2147483647)) p WHERE b.account = $1";
        sqlx::query(sums).bind(account).bind(Numeric(before.open)).execute(&mut *transaction).await?;
        let (wrong, right) = (before.json(before.balance, before.held), before.json(before.posted, before.open));
        operators::insert(&mut transaction, doing, &doing.by.did("account.rebuild", name, Some(wrong), Some(right))).await?;
        tracing::warn!(account = name, tenant, balance = %before.balance, posted = %before.posted, held = %before.held, open = %before.open, "a balance was rebuilt");
    }
    transaction.commit().await?;
    Ok(before)
}

/// What all accounts of a tenant come to, by currency.
///
/// # Errors
/// Any failure of the statements.
pub async fn equation(pool: &PgPool, tenant: &str) -> Result<Vec<Equation>, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let sql = "SELECT a.currency, c.exponent, count(*) AS accounts, sum(b.credits - b.debits) AS total FROM accounts a JOIN balances b ON b.account = a.id \
         JOIN currencies c ON c.code = a.currency WHERE a.tenant = $1 GROUP BY a.currency, c.exponent ORDER BY a.currency";
    let rows = sqlx::query_as(sql).bind(tenant).fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(rows)
}
