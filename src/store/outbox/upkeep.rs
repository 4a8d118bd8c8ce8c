//! Partitions, keys, the backlog, who holds events back, and repair.

use std::time::Duration;

use sqlx::postgres::{PgExecutor, types::PgInterval};
use sqlx::{Error, PgPool, Row as _};

use super::{Copy, write_copy};

/// What waits to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows beyond the position, counted up to a limit.
    pub rows: i64,
    /// The age of the oldest of them.
    pub age: Duration,
}

/// The oldest transaction that writes, anywhere in the cluster: it holds events back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its backend, for `pg_terminate_backend`; 0 for a prepared transaction.
    pub pid: i32,
    /// For how long it has been running.
    pub age: Duration,
    /// Its database.
    pub database: String,
    /// What it calls itself: the application's name, or the name of the prepared transaction.
    pub name: String,
}

/// What waits beyond `position`; counts at most `rows_max` rows.
pub async fn backlog(db: impl PgExecutor<'_>, position: i64, rows_max: i64) -> Result<Backlog, Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE id > $1 LIMIT $2) AS waiting),
           coalesce((SELECT greatest(0, extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint FROM outbox WHERE id > $1 ORDER BY id LIMIT 1), 0)",
    )
    .bind(position)
    .bind(rows_max)
    .fetch_one(db)
    .await?;
    Ok(Backlog { rows: row.try_get(0)?, age: millis(row.try_get(1)?) })
}

/// Who has been writing longest; none if nobody writes. The asking session is left out.
pub async fn oldest_holder(db: impl PgExecutor<'_>) -> Result<Option<Holder>, Error> {
    let row = sqlx::query(
        "SELECT pid, age, database, name FROM (
           SELECT pid, (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint AS age, coalesce(datname, '') AS database,
                  coalesce(application_name, '') AS name, age(backend_xid) AS xids
             FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
           UNION ALL
           SELECT 0, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint, database, gid, age(transaction) FROM pg_prepared_xacts
         ) AS holders ORDER BY xids DESC LIMIT 1",
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| Ok(Holder { pid: row.try_get(0)?, age: millis(row.try_get(1)?), database: row.try_get(2)?, name: row.try_get(3)? })).transpose()
}

/// Makes partitions of `rows` ids, `ahead` of them beyond the last id drawn; answers how many.
pub async fn grow(db: impl PgExecutor<'_>, rows: i64, ahead: i32) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT outbox_grow($1, $2)").bind(rows).bind(ahead).fetch_one(db).await
}

/// Drops the partitions that lie wholly at or below `position` and are older than `retention`; answers how many.
pub async fn shrink(db: impl PgExecutor<'_>, position: i64, retention: Duration) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT outbox_shrink($1, $2)").bind(position).bind(interval(retention)).fetch_one(db).await
}

/// Empties the older generation of keys and makes it the current one, if the current one is older than `retention`.
pub async fn switch_key_generation(db: impl PgExecutor<'_>, retention: Duration) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT switch_key_generation($1)").bind(interval(retention)).fetch_one(db).await
}

/// In one transaction: raises the sequence to the copy's position at least, moves what was given ids in (after, copy.position] again behind
/// it, with all that is later, and writes the copy.
/// Answers how many rows it moved.
pub async fn repair(pool: &PgPool, publisher: &str, after: i64, copy: &Copy) -> Result<i64, Error> {
    let mut transaction = pool.begin().await?;
    let moved = sqlx::query_scalar("SELECT outbox_repair($1, $2)").bind(after).bind(copy.position).fetch_one(&mut *transaction).await?;
    write_copy(&mut *transaction, publisher, copy).await?;
    transaction.commit().await?;
    Ok(moved)
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
