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
use crate::protocol::journal::{first_place, partition_of_place};

pub use transactions::{Mismatch, ReconciledTransaction, reconcile_transaction, reconcile_transactions};

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

/// A step of an audit may read for a minute. Plans know the numbers that are bound, as if they stood in the text.
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

/// Rows of a chain that one statement adds up: about a second's work. However long the chain is, each step is short.
const STEP: i64 = 100_000;

/// The newest rows of an account beside its balance.
#[derive(FromRow)]
struct Newest {
    id: i64,
    #[sqlx(flatten)]
    row: Reconciled,
    /// The place of the oldest of these rows; `None`: there are none.
    first: Option<i64>,
}

async fn one(connection: &mut PgConnection, tenant: &str, name: &str) -> Result<Option<Reconciled>, StoreError> {
    let newest = sqlx::query_as(include_str!("audit/sql/account.sql")).bind(tenant).bind(name).bind(STEP);
    let newest: Option<Newest> = newest.fetch_optional(&mut *connection).await?;
    let Some(Newest { id, mut row, first }) = newest else { return Ok(None) };
    if let Some(first) = first.filter(|_| row.rows == STEP) {
        let older = Sums::of_chain(connection, id, first, i64::MAX).await?;
        row.posted += older.credits - older.debits;
        row.rows += older.rows;
    }
    Ok(Some(row))
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

/// What an audit of all of a tenant's accounts or transactions found.
#[derive(Clone, Debug)]
pub struct Audited<T> {
    /// How many there are.
    pub total: i64,
    /// How many of them disagree.
    pub disagreeing: i64,
    /// Those that disagree, the first of them if they are many.
    pub wrong: Vec<T>,
}

/// One that disagrees, with how many do.
#[derive(FromRow)]
struct Counted<T> {
    disagreeing: i64,
    #[sqlx(flatten)]
    row: T,
}

impl<T> Audited<T> {
    fn of(total: i64, rows: Vec<Counted<T>>) -> Self {
        let disagreeing = rows.first().map_or(0, |row| row.disagreeing);
        Self { total, disagreeing, wrong: rows.into_iter().map(|row| row.row).collect() }
    }
}

/// Compares all accounts of a tenant, and returns at most `count` of those that disagree.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_all(pool: &PgPool, tenant: &str, count: i64) -> Result<Audited<Reconciled>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let total = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE tenant = $1")
        .bind(tenant)
        .fetch_one(&mut *transaction)
        .await?;
    let wrong = sqlx::query_as(include_str!("audit/sql/accounts.sql")).bind(tenant).bind(count);
    let wrong = wrong.fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(Audited::of(total, wrong))
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

/// The sums over a step of a chain.
#[derive(FromRow)]
struct Step {
    #[sqlx(flatten)]
    sums: Sums,
    /// How many rows it walked.
    walked: i64,
    /// The place of the oldest of them.
    first: Option<i64>,
}

impl Sums {
    /// Of the account's rows up to place `upto` that its chain leads to from the one at `below`, or from the newest.
    async fn of_chain(
        connection: &mut PgConnection,
        account: i64,
        mut below: i64,
        upto: i64,
    ) -> Result<Self, StoreError> {
        let mut sums = Self::default();
        loop {
            let step = sqlx::query_as(include_str!("audit/sql/chain.sql")).bind(account).bind(below).bind(STEP);
            let step: Step = step.bind(upto).fetch_one(&mut *connection).await?;
            sums = sums.and(step.sums);
            match step.first.filter(|_| step.walked == STEP) {
                Some(first) => below = first,
                None => return Ok(sums),
            }
        }
    }

    /// Of the account's rows after place `after` and up to `upto`, wherever they stand: the journal is read between
    /// them, a partition at a time.
    async fn of_journal(
        connection: &mut PgConnection,
        account: i64,
        after: i64,
        upto: i64,
    ) -> Result<Self, StoreError> {
        let mut sums = Self::default();
        for partition in partition_of_place(after + 1)..=partition_of_place(upto) {
            let (from, to) = (after.max(first_place(partition) - 1), upto.min(first_place(partition + 1) - 1));
            let step = sqlx::query_as(include_str!("audit/sql/sums_of_journal.sql"));
            let step: Self = step.bind(account).bind(from).bind(to).fetch_one(&mut *connection).await?;
            sums = sums.and(step);
        }
        Ok(sums)
    }

    fn and(self, other: Self) -> Self {
        let (debits, credits, held) =
            (self.debits + other.debits, self.credits + other.credits, self.held + other.held);
        Self { debits, credits, held, rows: self.rows + other.rows, last: self.last.max(other.last) }
    }
}

/// Sets an account's balance, what is held on it and where its chain begins to what its rows add up to. Releases it
/// from quarantine, and records the operator's action. Returns what was found before. The rows are added up before the
/// fold is kept waiting for the few that came meanwhile.
///
/// # Errors
/// Any failure of the statements: nothing was changed then.
pub async fn rebuild(pool: &PgPool, name: &str, doing: &Doing<'_>) -> Result<Option<Reconciled>, StoreError> {
    let tenant = doing.tenant;
    let mut reading = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *reading).await?;
    let id = sqlx::query_as(
        "SELECT a.id, EXISTS (SELECT FROM quarantine q WHERE q.account = a.id AND released_at IS NULL) FROM accounts a WHERE tenant = $1 AND name = $2",
    );
    let found: Option<(i64, bool)> = id.bind(tenant).bind(name).fetch_optional(&mut *reading).await?;
    let Some((account, is_quarantined)) = found else { return Ok(None) };
    let found = if is_quarantined { None } else { followed(&mut reading, tenant, name).await? };
    if found.as_ref().is_some_and(Reconciled::agrees) {
        return Ok(found);
    }
    let upto = fold::folded(&mut *reading).await?;
    // A chain that is as long as the balance says is believed. If it is not, or if there is none, then where it begins
    // may be what is wrong: all rows of the account are looked for.
    let so_far = if found.as_ref().is_some_and(|row| row.version == row.rows && row.rows > 0) {
        Sums::of_chain(&mut reading, account, i64::MAX, upto).await?
    } else {
        Sums::of_journal(&mut reading, account, -1, upto).await?
    };
    let almost = fold::folded(&mut *reading).await?;
    let so_far = so_far.and(Sums::of_journal(&mut reading, account, upto, almost).await?);
    reading.rollback().await?;

    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let place: i64 = sqlx::query_scalar("SELECT seq FROM folded FOR UPDATE").fetch_one(&mut *transaction).await?;
    let sums = so_far.and(Sums::of_journal(&mut transaction, account, almost, place).await?);
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
