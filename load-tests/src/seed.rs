//! The accounts that a run pays from, written straight into Florin's tables by Florin's own bulk seed: the books
//! balance afterwards.

use anyhow::{Context, Result};
use florin::money::{Amount, CurrencyCode};
use florin::store::seed::bulk;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::grpc::CURRENCY;

/// What each account begins with, in cents: more than any run spends from one account.
pub const OPENING_CENTS: i64 = 1_000_000_000_000;

/// What the accounts' names begin with unless told otherwise.
pub const PREFIX: &str = "load-";

/// Opens the accounts `{prefix}0` to `{prefix}{n - 1}`; those that are there stay as they are. Answers how many were
/// opened.
///
/// # Errors
/// When the database cannot be reached, has no schema of Florin's, or refuses.
pub async fn accounts(options: PgConnectOptions, n: u32, prefix: &str) -> Result<u64> {
    let pool: PgPool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .context("the database cannot be reached")?;
    let usd = CurrencyCode::parse(CURRENCY).context("the currency is no code")?;
    let opened =
        bulk(&pool, n, prefix, Amount::from(OPENING_CENTS), usd).await.context("the accounts could not be opened")?;
    pool.close().await;
    Ok(opened)
}
