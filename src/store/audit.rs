//! Compares balances with their rows of the journal and with their holds, and sets them right. Amounts are in minor
//! units.
//!
//! A balance follows from the rows that are folded into it, so a difference is damage. This shows and mends it while
//! Florin serves; `florin verify` checks everything.

mod transactions;

use sqlx::{FromRow, PgConnection, PgPool};

use super::StoreError;
use super::fold;
use super::numeric::Numeric;
use super::operators::{self, Doing};
use super::statement::statement;
use crate::money::decimal_text;

pub use transactions::{ReconciledTransaction, reconcile_transaction, reconcile_transactions};

/// An account's balance beside the sum of its postings and of its holds.
#[derive(Clone, Debug, FromRow)]
pub struct Reconciled {
    /// The id that callers use.
    pub name: String,
    /// Decimals of the account's currency.
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    /// Credits less debits, as `balances` has them.
    #[sqlx(try_from = "Numeric")]
    pub balance: i128,
    /// Credits less debits, as the postings add up.
    #[sqlx(try_from = "Numeric")]
    pub posted: i128,
    /// What is held, as `balances` has it.
    #[sqlx(try_from = "Numeric")]
    pub held: i128,
    /// What is held, as the open holds add up.
    #[sqlx(try_from = "Numeric")]
    pub open: i128,
    /// How many rows of the journal are about the account, as `balances` has it.
    pub version: i64,
    /// How many rows its chain has; -1: the chain does not begin where `balances` says.
    pub rows: i64,
}

impl Reconciled {
    pub fn agrees(&self) -> bool {
        self.balance == self.posted && self.held == self.open && self.version == self.rows
    }

    /// A balance and what is held on it, as an operator's action records them.
    fn json(&self, balance: i128, held: i128) -> String {
        let text = |units| decimal_text(units, self.exponent);
        serde_json::json!({ "balance": text(balance), "held": text(held) }).to_string()
    }
}

/// The sum of all balances of one tenant in one currency. It is zero, since each posting is a debit and a credit.
#[derive(Clone, Debug, FromRow)]
pub struct Equation {
    pub currency: String,
    /// Decimals of the currency.
    #[sqlx(try_from = "i16")]
    pub exponent: u8,
    /// How many accounts are in this currency.
    pub accounts: i64,
    /// Credits less debits of all of them.
    #[sqlx(try_from = "Numeric")]
    pub total: i128,
}

/// An audit may read for a minute, and keep the lock of a single account that long. Plans know the numbers that are
/// bound, as if they stood in the text.
const PATIENCE: &str = "SET LOCAL statement_timeout = '60s'; SET LOCAL enable_nestloop = on; \
     SET LOCAL enable_seqscan = on; SET LOCAL plan_cache_mode = force_custom_plan";

/// The SQLSTATE when the chain breaks off: a row that another names as the one before it is missing, or is not the
/// account's.
const CHAIN_BROKEN: &str = "P0002";

/// Compares one account; `None`: there is none.
///
/// # Errors
/// Any failure of the statements; also when the account's chain breaks off.
pub async fn reconcile(pool: &PgPool, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let row = one(&mut transaction, tenant, name).await?;
    transaction.rollback().await?;
    Ok(row)
}

async fn one(connection: &mut PgConnection, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    Ok(sqlx::query_as(include_str!("audit/sql/account.sql")).bind(tenant).bind(name).fetch_optional(connection).await?)
}

/// Compares one account of a list; `None`: its chain breaks off. The transaction that this is part of can go on.
async fn followed(connection: &mut PgConnection, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    sqlx::raw_sql("SAVEPOINT account").execute(&mut *connection).await?;
    match one(connection, tenant, name).await {
        Err(error) if error.code() == Some(CHAIN_BROKEN) => {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT account").execute(connection).await?;
            Ok(None)
        }
        other => other,
    }
}

/// Compares all accounts of a tenant: returns how many there are, and at most `count` of those that disagree.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_all(pool: &PgPool, tenant: &str, count: i64) -> Result<(i64, Vec<Reconciled>), StoreError> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let accounts = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE tenant = $1")
        .bind(tenant)
        .fetch_one(&mut *transaction)
        .await?;
    let wrong = sqlx::query_as(include_str!("audit/sql/accounts.sql")).bind(tenant).bind(count);
    let wrong = wrong.fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok((accounts, wrong))
}

/// The sums over rows of one account, in minor units.
#[derive(Clone, Copy, Default, FromRow)]
struct Sums {
    #[sqlx(try_from = "Numeric")]
    debits: i128,
    #[sqlx(try_from = "Numeric")]
    credits: i128,
    #[sqlx(try_from = "Numeric")]
    held: i128,
    rows: i64,
    /// The place of the newest row; 0: there are no rows.
    last: i64,
}

impl Sums {
    /// By the statement `sums`: of the rows after `after` and up to `upto`.
    async fn of(
        connection: &mut PgConnection,
        sums: &'static str,
        account: i64,
        after: i64,
        upto: i64,
    ) -> Result<Self, StoreError> {
        Ok(sqlx::query_as(sums).bind(account).bind(after).bind(upto).fetch_one(connection).await?)
    }

    fn and(self, later: Self) -> Self {
        let (debits, credits, held) =
            (self.debits + later.debits, self.credits + later.credits, self.held + later.held);
        Self { debits, credits, held, rows: self.rows + later.rows, last: self.last.max(later.last) }
    }
}

const SUMS_OF_CHAIN: &str = include_str!("audit/sql/sums_of_chain.sql");
const SUMS_OF_JOURNAL: &str = include_str!("audit/sql/sums_of_journal.sql");

/// Sets an account's balance, what is held on it and where its chain begins to what its rows add up to. Releases it
/// from quarantine, and records the operator's action. Returns what was found before. Only the fold waits for it
/// meanwhile.
///
/// # Errors
/// Any failure of the statements: nothing was changed then.
pub async fn rebuild(pool: &PgPool, name: &str, doing: &Doing<'_>) -> Result<Option<Reconciled>, StoreError> {
    let tenant = doing.tenant;
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let id = sqlx::query_as(
        "SELECT a.id, EXISTS (SELECT FROM quarantine q WHERE q.account = a.id AND released_at IS NULL) FROM accounts a WHERE tenant = $1 AND name = $2",
    );
    let found: Option<(i64, bool)> = id.bind(tenant).bind(name).fetch_optional(&mut *transaction).await?;
    let Some((account, is_quarantined)) = found else { return Ok(None) };
    let found = if is_quarantined { None } else { followed(&mut transaction, tenant, name).await? };
    if found.as_ref().is_some_and(Reconciled::agrees) {
        return Ok(found);
    }
    // A chain that is as long as the balance says is believed. If it is not, or if there is none, then where it begins
    // may be what is wrong: all rows of the account are looked for, those so far before the fold is kept waiting.
    let (so_far, sums, upto) = if found.as_ref().is_some_and(|row| row.version == row.rows && row.rows > 0) {
        (Sums::default(), SUMS_OF_CHAIN, -1)
    } else {
        let upto = fold::folded(&mut *transaction).await?;
        (Sums::of(&mut transaction, SUMS_OF_JOURNAL, account, -1, upto).await?, SUMS_OF_JOURNAL, upto)
    };
    let place: i64 = sqlx::query_scalar("SELECT seq FROM folded FOR UPDATE").fetch_one(&mut *transaction).await?;
    let sums = so_far.and(Sums::of(&mut transaction, sums, account, upto, place).await?);
    let compared = sqlx::query_as(include_str!("audit/sql/compared.sql"))
        .bind(account)
        .bind(Numeric(sums.credits - sums.debits))
        .bind(Numeric(sums.held))
        .bind(sums.last)
        .bind(sums.rows);
    let before: Option<Reconciled> = compared.fetch_optional(&mut *transaction).await?;
    let Some(before) = before else { return Ok(None) };
    if !before.agrees() || is_quarantined {
        let (sql, numbers) = statement(include_str!("audit/sql/rebuilt.sql"), 7);
        let rebuilt = sqlx::query(sql)
            .bind(account)
            .bind(Numeric(sums.debits))
            .bind(Numeric(sums.credits))
            .bind(Numeric(sums.held))
            .bind(sums.rows)
            .bind(sums.last)
            .bind(place);
        let rebuilt = numbers.into_iter().fold(rebuilt, |query, number| query.bind(number));
        rebuilt.execute(&mut *transaction).await?;
        let by = doing.by.did("account.rebuild", name, None, None);
        sqlx::query(include_str!("audit/sql/released.sql"))
            .bind(account)
            .bind(&by.actor)
            .bind(&by.reason)
            .bind(place)
            .execute(&mut *transaction)
            .await?;
        let (wrong, right) = (before.json(before.balance, before.held), before.json(before.posted, before.open));
        operators::insert(&mut transaction, doing, &doing.by.did("account.rebuild", name, Some(wrong), Some(right)))
            .await?;
        let Reconciled { balance, posted, held, open, version, rows, .. } = before;
        tracing::warn!(account = name, tenant, %balance, %posted, %held, %open, version, rows, "a balance was rebuilt");
    }
    transaction.commit().await?;
    Ok(Some(before))
}

/// The sums of all balances of a tenant, by currency.
///
/// # Errors
/// Any failure of the statements.
pub async fn equation(pool: &PgPool, tenant: &str) -> Result<Vec<Equation>, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let equation = sqlx::query_as(include_str!("audit/sql/equation.sql")).bind(tenant);
    let rows = equation.fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(rows)
}
