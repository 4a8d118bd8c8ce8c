//! Whether a baseline's books balance: it must be right to be compared with.

use anyhow::{Result, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::seed::OPENING_CENTS;

/// What a baseline's tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// Payments written.
    pub payments: i64,
    /// Cents that they moved.
    pub cents: i64,
}

const COUNTS: &str = "SELECT (SELECT count(*) FROM payments), (SELECT count(*) FROM entries), (SELECT count(*) FROM keys), (SELECT count(*) FROM outbox), \
     (SELECT coalesce(sum(amount), 0)::bigint FROM entries)";

/// Accounts whose totals are not what their entries come to.
const WRONG: &str = "SELECT count(*) FROM accounts a \
     LEFT JOIN (SELECT debit_account AS id, sum(amount) AS amount FROM entries GROUP BY 1) d USING (id) \
     LEFT JOIN (SELECT credit_account AS id, sum(amount) AS amount FROM entries GROUP BY 1) c USING (id) \
     WHERE a.debits <> coalesce(d.amount, 0) OR a.credits <> $1 + coalesce(c.amount, 0)";

/// Accounts whose last entry does not end at their balance.
const ENDS: &str = "SELECT count(*) FROM accounts a, LATERAL ( \
       SELECT after FROM ( \
         (SELECT seq, debit_balance_after AS after FROM entries WHERE debit_account = a.id ORDER BY seq DESC LIMIT 1) UNION ALL \
         (SELECT seq, credit_balance_after FROM entries WHERE credit_account = a.id ORDER BY seq DESC LIMIT 1)) e \
       ORDER BY seq DESC LIMIT 1) last \
     WHERE last.after <> a.credits - a.debits";

/// Reads a baseline's tables.
///
/// # Errors
/// When they do not balance, naming what is wrong, or cannot be read.
pub async fn books(options: &PgConnectOptions) -> Result<Books> {
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    let (payments, entries, keys, outbox, cents): (i64, i64, i64, i64, i64) =
        sqlx::query_as(COUNTS).fetch_one(&mut connection).await?;
    let wrong: i64 = sqlx::query_scalar(WRONG).bind(OPENING_CENTS).fetch_one(&mut connection).await?;
    let ends: i64 = sqlx::query_scalar(ENDS).fetch_one(&mut connection).await?;
    connection.close().await?;
    let rows = [entries, keys, outbox];
    ensure!(
        rows.iter().all(|n| *n == payments),
        "{payments} payments have {entries} pairs of entries, {keys} keys and {outbox} events"
    );
    ensure!(wrong == 0, "the totals of {wrong} accounts are not the sum of their entries");
    ensure!(ends == 0, "the last entries of {ends} accounts do not end at their balance");
    Ok(Books { payments, cents })
}
