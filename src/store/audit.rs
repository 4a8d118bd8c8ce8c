//! Compares balances with their rows of the journal and with their holds, and sets them right. Amounts are in minor
//! units.
//!
//! A balance follows from the rows that are folded into it, so a difference is damage. This shows and mends it while
//! Florin serves; `florin verify` checks everything.

mod transactions;

use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};

use super::StoreError;
use super::fold;
use super::numeric::Numeric;
use super::operators::{self, Doing};
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

/// An audit may read for a minute, and keep the lock of a single account that long.
const PATIENCE: &str =
    "SET LOCAL statement_timeout = '60s'; SET LOCAL enable_nestloop = on; SET LOCAL enable_seqscan = on";

/// Compares one account: its rows along their chain, its open holds by their index. It is one statement, so all is as
/// of one moment.
const ONE: &str = "SELECT a.name, c.exponent, b.credits - b.debits AS balance, coalesce(r.posted, 0) AS posted, b.held, coalesce(h.open, 0) AS open, b.version, r.rows \
     FROM balances_of(ARRAY(SELECT id FROM accounts WHERE tenant = $1 AND name = $2)) b JOIN accounts a ON a.id = b.account JOIN currencies c ON c.code = a.currency, \
       LATERAL (SELECT sum(CASE a.id WHEN credit_account THEN amount ELSE -amount END) AS posted, count(*) AS rows \
         FROM account_history(a.id, 9223372036854775807, 9223372036854775807, false)) r, \
       LATERAL (SELECT sum(amount - captured - voided) AS open FROM holds WHERE debit_account = a.id) h";

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
    Ok(sqlx::query_as(ONE).bind(tenant).bind(name).fetch_optional(connection).await?)
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
    let sql = "SELECT a.name, c.exponent, b.credits - b.debits AS balance, coalesce(r.posted, 0) AS posted, b.held, coalesce(h.open, 0) AS open, b.version, coalesce(r.rows, 0) AS rows \
         FROM accounts a JOIN balances_now b ON b.account = a.id JOIN currencies c ON c.code = a.currency \
           LEFT JOIN (SELECT account, sum(moved) AS posted, count(*) AS rows FROM account_rows GROUP BY account) r ON r.account = a.id \
           LEFT JOIN (SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account) h ON h.debit_account = a.id \
         WHERE a.tenant = $1 AND (b.credits - b.debits, b.held, b.version) IS DISTINCT FROM (coalesce(r.posted, 0), coalesce(h.open, 0), coalesce(r.rows, 0)) ORDER BY a.id LIMIT $2";
    let wrong = sqlx::query_as(sql).bind(tenant).bind(count).fetch_all(&mut *transaction).await?;
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
    /// `rows` is a subquery with the columns moved, held and seq; those after `after` and up to `upto` are added.
    async fn of(
        connection: &mut PgConnection,
        rows: &str,
        account: i64,
        after: i64,
        upto: i64,
    ) -> Result<Self, StoreError> {
        let sql = format!(
            "SELECT coalesce(-sum(moved) FILTER (WHERE moved < 0), 0) AS debits, coalesce(sum(moved) FILTER (WHERE moved > 0), 0) AS credits, coalesce(sum(held), 0) AS held, \
             count(*) AS rows, coalesce(max(seq), 0) AS last FROM {rows} r WHERE seq > $2 AND seq <= $3"
        );
        Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(account).bind(after).bind(upto).fetch_one(connection).await?)
    }

    fn and(self, later: Self) -> Self {
        let (debits, credits, held) =
            (self.debits + later.debits, self.credits + later.credits, self.held + later.held);
        Self { debits, credits, held, rows: self.rows + later.rows, last: self.last.max(later.last) }
    }
}

/// The rows of account `$1` as its chain leads through them.
const CHAIN: &str = "(SELECT CASE $1 WHEN credit_account THEN coalesce(amount, 0) ELSE coalesce(-amount, 0) END AS moved, \
     CASE $1 WHEN debit_account THEN coalesce(held, 0) ELSE 0 END AS held, seq FROM account_history($1, 9223372036854775807, 9223372036854775807, false))";
/// The rows of account `$1` as the whole journal has them, which is read for it.
const ALL_ROWS: &str = "(SELECT moved, held, seq FROM account_rows WHERE account = $1)";

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
    let (so_far, rows, upto) = if found.as_ref().is_some_and(|row| row.version == row.rows && row.rows > 0) {
        (Sums::default(), CHAIN, -1)
    } else {
        let upto = fold::folded(&mut *transaction).await?;
        (Sums::of(&mut transaction, ALL_ROWS, account, -1, upto).await?, ALL_ROWS, upto)
    };
    let place: i64 = sqlx::query_scalar("SELECT seq FROM folded FOR UPDATE").fetch_one(&mut *transaction).await?;
    let sums = so_far.and(Sums::of(&mut transaction, rows, account, upto, place).await?);
    let compared = "SELECT a.name, c.exponent, b.credits - b.debits AS balance, $2::numeric AS posted, b.held, $3::numeric AS open, b.version, \
             CASE WHEN b.last_seq = $4 THEN $5::bigint ELSE -1 END AS rows \
         FROM accounts a JOIN balances b ON b.account = a.id JOIN currencies c ON c.code = a.currency WHERE a.id = $1";
    let compared = sqlx::query_as(compared)
        .bind(account)
        .bind(Numeric(sums.credits - sums.debits))
        .bind(Numeric(sums.held))
        .bind(sums.last)
        .bind(sums.rows);
    let before: Option<Reconciled> = compared.fetch_optional(&mut *transaction).await?;
    let Some(before) = before else { return Ok(None) };
    if !before.agrees() || is_quarantined {
        // A limit that the balance is past binds what moves towards it: the balance may stay where it is.
        let set = "UPDATE balances b SET debits = n.debits, credits = n.credits, held = n.held, version = n.version, last_seq = n.last_seq, \
                 status = n.status, floor = n.floor, ceiling = n.ceiling, \
                 floor_from = CASE WHEN n.credits - n.debits - n.held < n.floor THEN n.credits - n.debits - n.held END, \
                 ceiling_from = CASE WHEN n.credits - n.debits > n.ceiling THEN n.credits - n.debits END \
             FROM (SELECT $2::numeric AS debits, $3::numeric AS credits, $4::numeric AS held, $5::bigint AS version, $6::bigint AS last_seq, \
                 coalesce((g.set ->> 'status')::smallint, o.status) AS status, CASE WHEN g.set IS NULL THEN o.floor ELSE (g.set ->> 'floor')::numeric END AS floor, \
                 CASE WHEN g.set IS NULL THEN o.ceiling ELSE (g.set ->> 'ceiling')::numeric END AS ceiling \
               FROM balances o LEFT JOIN (SELECT j.body -> 'set' AS set FROM quarantine q JOIN journal j ON j.seq > q.first_seq AND j.seq <= $7 \
                 WHERE q.account = $1 AND q.released_at IS NULL AND j.kind = 20 AND j.debit_account = $1 ORDER BY j.seq DESC LIMIT 1) g ON true WHERE o.account = $1) n \
             WHERE b.account = $1";
        sqlx::query(set)
            .bind(account)
            .bind(Numeric(sums.debits))
            .bind(Numeric(sums.credits))
            .bind(Numeric(sums.held))
            .bind(sums.rows)
            .bind(sums.last)
            .bind(place)
            .execute(&mut *transaction)
            .await?;
        let released = "UPDATE quarantine SET released_at = clock_timestamp(), released_by = $2, why = $3, last_seq = $4 WHERE account = $1 AND released_at IS NULL";
        let by = doing.by.did("account.rebuild", name, None, None);
        sqlx::query(released)
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
    let sql = "SELECT a.currency, c.exponent, count(*) AS accounts, sum(b.credits - b.debits) AS total FROM accounts a JOIN balances_now b ON b.account = a.id \
         JOIN currencies c ON c.code = a.currency WHERE a.tenant = $1 GROUP BY a.currency, c.exponent ORDER BY a.currency";
    let rows = sqlx::query_as(sql).bind(tenant).fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(rows)
}
