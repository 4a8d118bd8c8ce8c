//! The cluster that all systems share: durable, set up as for production, its log warm.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use florin_servers::postgres::{Durability, PrivatePostgres};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::address;
use crate::process::memory_mb;

/// What is set, and why it is not the default: defaults are for a machine of 2005.
fn settings() -> Vec<(&'static str, String)> {
    let memory_mb = memory_mb();
    vec![
        ("shared_buffers", format!("{}MB", (memory_mb / 4).clamp(128, 4096))),
        ("effective_cache_size", format!("{}MB", (memory_mb / 2).clamp(256, 16384))),
        ("wal_buffers", "64MB".to_owned()),
        // as many segments as a checkpoint's interval needs, so that none is made (16 MB of zeros, flushed by whoever
        // commits)
        ("min_wal_size", "4GB".to_owned()),
        ("max_wal_size", "4GB".to_owned()),
        ("checkpoint_timeout", "15min".to_owned()),
        ("checkpoint_completion_target", "0.9".to_owned()),
        ("random_page_cost", "1.1".to_owned()),
    ]
}

/// Settings that the report names: those above, and what durability hangs on.
const SHOWN: &[&str] = &[
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "wal_buffers",
    "min_wal_size",
    "max_wal_size",
    "checkpoint_timeout",
    "server_version",
];

/// Starts a cluster in this folder, with these settings.
///
/// # Errors
/// When it cannot be started.
pub fn start(dir: &Path) -> Result<PrivatePostgres> {
    PrivatePostgres::start(dir, Durability::Durable).context("PostgreSQL cannot be started")
}

/// Writes the settings; they hold after a restart.
///
/// # Errors
/// When the server refuses.
pub async fn set_up(postgres: &PrivatePostgres) -> Result<()> {
    let mut connection = connect(&address::database(&postgres.url("postgres"))?).await?;
    for (name, value) in settings() {
        sqlx::raw_sql(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = '{value}'"))).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// What the server says of its settings. A benchmark without durability would be none.
///
/// # Errors
/// When the server cannot be asked, or may lose what it acknowledged.
pub async fn shown(postgres: &PrivatePostgres) -> Result<String> {
    let mut connection = connect(&address::database(&postgres.url("postgres"))?).await?;
    let mut shown = Vec::new();
    for name in SHOWN {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await?;
        ensure!(
            !matches!(*name, "fsync" | "synchronous_commit" | "full_page_writes") || value == "on",
            "{name} is {value}, must be on"
        );
        shown.push(format!("{name} {value}"));
    }
    connection.close().await?;
    Ok(shown.join(", "))
}

/// Fills the log until its files are used again instead of made: a fresh cluster writes at half the speed.
///
/// # Errors
/// When the server refuses.
pub async fn warm_wal(postgres: &PrivatePostgres, megabytes: u32) -> Result<()> {
    let mut connection = connect(&address::database(&postgres.url("postgres"))?).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS warm (filler text); ALTER TABLE warm ALTER filler SET STORAGE PLAIN")
        .execute(&mut connection)
        .await?;
    let per_step_mb = 64;
    for _ in 0..megabytes.div_ceil(per_step_mb) {
        // 4 KiB a row
        let fill = "INSERT INTO warm SELECT repeat(md5(n::text), 128) FROM generate_series(1, $1::bigint) n";
        sqlx::query(fill).bind(i64::from(per_step_mb) * 256).execute(&mut connection).await?;
        sqlx::raw_sql("TRUNCATE warm").execute(&mut connection).await?;
    }
    checkpoint(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Begins each round alike.
///
/// # Errors
/// When the server refuses.
pub async fn begin_round(postgres: &PrivatePostgres) -> Result<()> {
    let mut connection = connect(&address::database(&postgres.url("postgres"))?).await?;
    checkpoint(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// What has been written to the log so far, in bytes.
///
/// # Errors
/// When the server cannot be asked.
pub async fn wal_bytes(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint").fetch_one(connection).await?)
}

/// Connects without a line of log per statement.
///
/// # Errors
/// When the server cannot be reached.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    options.clone().disable_statement_logging().connect().await.context("PostgreSQL cannot be reached")
}

async fn checkpoint(connection: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("CHECKPOINT").execute(connection).await?;
    Ok(())
}
