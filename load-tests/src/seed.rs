//! The accounts that a run pays from, written straight into Florin's tables: the books balance afterwards.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

/// What each account begins with, in cents: more than any run spends from one account.
pub const OPENING_CENTS: i64 = 1_000_000_000_000;

/// What the accounts' names begin with unless told otherwise.
pub const PREFIX: &str = "load-";

const OPEN_ACCOUNTS: &str = include_str!("../sql/accounts.sql");
/// Accounts per transaction.
const CHUNK: u32 = 5_000;

/// Opens the accounts `{prefix}0` to `{prefix}{n - 1}`; those that are there stay as they are. Answers how many were
/// opened. Each chunk is opened whole or not at all, so that the call can be repeated after a failure.
///
/// # Errors
/// When the database cannot be reached, has no schema of Florin's, or refuses.
pub async fn accounts(options: &PgConnectOptions, n: u32, prefix: &str) -> Result<u64> {
    let mut connection = PgConnection::connect_with(options).await.context("the database cannot be reached")?;
    connection.execute(OPEN_ACCOUNTS).await?;
    let mut opened = 0;
    for first in (0..n).step_by(CHUNK as usize) {
        let last = first.saturating_add(CHUNK).min(n) - 1;
        let open = sqlx::query_scalar("SELECT pg_temp.open_accounts($1, $2, $3, $4, $5)")
            .bind(Uuid::now_v7())
            .bind(prefix)
            .bind(i64::from(first))
            .bind(i64::from(last))
            .bind(OPENING_CENTS);
        let chunk: i64 = open.fetch_one(&mut connection).await.context("the accounts could not be opened")?;
        opened += u64::try_from(chunk)?;
    }
    connection.close().await?;
    Ok(opened)
}
