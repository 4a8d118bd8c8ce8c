//! Databases of a cluster of our own.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Makes the database, unless it is there.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub async fn create(options: &PgConnectOptions) -> Result<()> {
    let name = options.get_database().context("no database is named")?;
    let mut admin = options.clone().database("postgres").connect().await.context("PostgreSQL cannot be reached")?;
    let lacking = "SELECT format('CREATE DATABASE %I', $1::text) WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = $1::text)";
    let create: Option<String> = sqlx::query_scalar(lacking).bind(name).fetch_optional(&mut admin).await?;
    if let Some(create) = create {
        sqlx::query(AssertSqlSafe(create)).execute(&mut admin).await?;
    }
    admin.close().await?;
    Ok(())
}
