//! Upkeep of partitions and keys, the size of the outbox, and repair.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgExecutor, types::PgInterval};
use sqlx::{Error, PgPool};

use super::{Copy, write_copy};
use crate::protocol::journal::{BATCH_BITS, PLACE_BITS};

/// The events that Kafka does not have yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many there are. Beyond a bound it is an estimate, by the rows of the journal.
    pub rows: i64,
    /// The age of the oldest of them.
    pub age: Duration,
}

/// What is after `position`. At most `rows_max` rows are counted one by one.
pub async fn backlog(db: impl PgExecutor<'_>, position: i64, rows_max: i64) -> Result<Backlog, Error> {
    let sql = "SELECT events, oldest FROM journal_waiting($1, $2)";
    let (rows, oldest): (i64, Option<DateTime<Utc>>) =
        sqlx::query_as(sql).bind(position).bind(rows_max).fetch_one(db).await?;
    Ok(Backlog { rows, age: oldest.and_then(|oldest| (Utc::now() - oldest).to_std().ok()).unwrap_or_default() })
}

/// Makes partitions until `ahead` of them follow the one being written; returns how many it made.
pub async fn grow(db: impl PgExecutor<'_>, ahead: i32) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT journal_grow($1)").bind(ahead).fetch_one(db).await
}

/// Forgets the keys of one partition that was closed longer ago than this; returns its number, or `None` if there is
/// none.
pub async fn forget_keys(db: impl PgExecutor<'_>, retention: Duration) -> Result<Option<i64>, Error> {
    sqlx::query_scalar("SELECT journal_forget_keys($1)").bind(interval(retention)).fetch_one(db).await
}

/// Notes the times of one closed partition, so that times find it; returns its number, or `None` if there is none.
pub async fn note_times(db: impl PgExecutor<'_>) -> Result<Option<i64>, Error> {
    sqlx::query_scalar("SELECT journal_note_times()").fetch_one(db).await
}

/// Partitions made in one transaction: each is locked with its indexes, and by default PostgreSQL has space for about
/// 6,000 locks.
const MADE_AT_ONCE: i64 = 50;

/// Raises the journal's next place above `to`, so that no place up to there is given again, and writes the copy, in one
/// transaction. The leader finds that its memory is not of this database, and begins anew. Returns how many events lie
/// after the copy's position until now: they are published again.
pub async fn publish_again(pool: &PgPool, publisher: &str, to: i64, copy: &Copy) -> Result<i64, Error> {
    let next = (to >> (PLACE_BITS + BATCH_BITS)) + 1;
    let mut first = 1;
    while first <= next {
        let made = "SELECT journal_make(n) FROM generate_series($1::bigint, $2::bigint) n";
        sqlx::query(made).bind(first).bind(next.min(first + MADE_AT_ONCE - 1)).execute(pool).await?;
        first += MADE_AT_ONCE;
    }
    let mut transaction = pool.begin().await?;
    let tip: i64 = sqlx::query_scalar("SELECT journal_tip()").fetch_one(&mut *transaction).await?;
    // The partitions between where the journal is and where it goes on are closed, and have no keys to look up; the one
    // where it goes on is open.
    let closed = "UPDATE journal_partitions p SET opened_at = coalesce(p.opened_at, clock_timestamp()), \
           closed_at = CASE WHEN p.number < $1 >> 44 THEN clock_timestamp() END, keys = p.keys AND p.number IN (w.batch >> 24, $1 >> 44), \
           rows = CASE WHEN p.number = w.batch >> 24 THEN w.rows WHEN p.number < $1 >> 44 THEN 0 END, \
           last_batch = CASE WHEN p.number < $1 >> 44 THEN greatest(w.batch, p.number << 24) END \
         FROM writers w WHERE p.number BETWEEN w.batch >> 24 AND $1 >> 44 AND w.batch >> 24 < $1 >> 44";
    sqlx::query(closed).bind(to).execute(&mut *transaction).await?;
    let raised = "UPDATE writers SET rows = CASE WHEN batch >> 24 = $1 >> 44 THEN rows ELSE 0 END, batch = $1 >> 20 WHERE batch < $1 >> 20";
    sqlx::query(raised).bind(to).execute(&mut *transaction).await?;
    write_copy(&mut *transaction, publisher, copy).await?;
    transaction.commit().await?;
    // counted when nothing waits for it any more
    let events = "SELECT count(*) FROM journal WHERE seq > $1 AND seq <= $2 AND event IS NOT NULL AND n = 0";
    sqlx::query_scalar(events).bind(copy.position).bind(tip).fetch_one(pool).await
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
