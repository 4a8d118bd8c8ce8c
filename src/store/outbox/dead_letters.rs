//! Events that Kafka refused for themselves: kept whole, listed, shown and replayed.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Error, PgPool, Row as _};

use super::Row;

/// One dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetterRow {
    /// Its number, by which it is shown and replayed.
    pub id: i64,
    /// The place it had in the outbox.
    pub outbox_id: i64,
    /// Which event, by number.
    pub event: i16,
    /// The message key.
    pub aggregate: String,
    /// The whole event.
    pub body: String,
    /// Why it was given up.
    pub error: String,
    /// How often it was tried again.
    pub retry_count: i32,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
    /// The place of its replay in the outbox.
    pub replayed_as: Option<i64>,
}

/// Why a dead letter was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of this number.
    #[error("there is no dead letter {0}")]
    Unknown(i64),
    /// It was replayed before.
    #[error("dead letter {id} was replayed before, as outbox row {replayed_as}")]
    Replayed {
        /// The dead letter.
        id: i64,
        /// Its replay.
        replayed_as: i64,
    },
    /// The database failed; nothing was replayed, or the answer was lost.
    #[error(transparent)]
    Database(#[from] Error),
}

const LIST: &str = "SELECT id, outbox_id, event, aggregate, body, error, retry_count, failed_at, replayed_as FROM dead_letters
   WHERE id > $1 AND ($2 OR replayed_as IS NULL) ORDER BY id LIMIT $3";
const SHOW: &str = "SELECT id, outbox_id, event, aggregate, body, error, retry_count, failed_at, replayed_as FROM dead_letters WHERE id = $1";
const LOCK: &str =
    "SELECT id, outbox_id, event, aggregate, body, error, retry_count, failed_at, replayed_as FROM dead_letters WHERE id = $1 FOR UPDATE";

/// Keeps an event that could not be published. A second time for the same outbox row changes nothing.
pub async fn insert_dead_letter(db: impl PgExecutor<'_>, row: &Row, error: &str, retry_count: i32) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO dead_letters (outbox_id, event, aggregate, body, error, retry_count) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (outbox_id) DO NOTHING",
    )
    .bind(row.id)
    .bind(row.event)
    .bind(&row.aggregate)
    .bind(&row.body)
    .bind(error)
    .bind(retry_count)
    .execute(db)
    .await?;
    Ok(())
}

/// What was given up beyond a position, but perhaps not passed yet: outbox id, reason and count of retries.
pub async fn dead_letters_after(db: impl PgExecutor<'_>, position: i64) -> Result<Vec<(i64, String, i32)>, Error> {
    sqlx::query_as("SELECT outbox_id, error, retry_count FROM dead_letters WHERE outbox_id > $1 ORDER BY outbox_id LIMIT 100000")
        .bind(position)
        .fetch_all(db)
        .await
}

/// A page of dead letters by number, after `after`; those that were replayed only if asked for.
pub async fn list_dead_letters(db: impl PgExecutor<'_>, after: i64, replayed_too: bool, rows_max: i64) -> Result<Vec<DeadLetterRow>, Error> {
    sqlx::query(LIST).bind(after).bind(replayed_too).bind(rows_max).try_map(|row| letter(&row)).fetch_all(db).await
}

/// How many dead letters were not replayed.
pub async fn count_dead_letters(db: impl PgExecutor<'_>) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE replayed_as IS NULL").fetch_one(db).await
}

/// One dead letter.
pub async fn show_dead_letter(db: impl PgExecutor<'_>, id: i64) -> Result<Option<DeadLetterRow>, Error> {
    sqlx::query(SHOW).bind(id).try_map(|row| letter(&row)).fetch_optional(db).await
}

/// Puts a dead letter into the outbox again, as the last event of its aggregate; answers its new place.
///
/// The dead letter is locked first, so that the transaction has an id before it draws the place: the markers rest on that order.
///
/// # Errors
/// When there is none, when it was replayed before, or when the database fails.
pub async fn replay_dead_letter(pool: &PgPool, id: i64) -> Result<i64, ReplayError> {
    let mut transaction = pool.begin().await?;
    let locked = sqlx::query(LOCK).bind(id).try_map(|row| letter(&row)).fetch_optional(&mut *transaction).await?;
    let letter = locked.ok_or(ReplayError::Unknown(id))?;
    if let Some(replayed_as) = letter.replayed_as {
        return Err(ReplayError::Replayed { id, replayed_as });
    }
    let place: i64 = sqlx::query_scalar("INSERT INTO outbox (event, aggregate, body) VALUES ($1, $2, $3) RETURNING id")
        .bind(letter.event)
        .bind(&letter.aggregate)
        .bind(&letter.body)
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query("UPDATE dead_letters SET replayed_as = $2, replayed_at = clock_timestamp() WHERE id = $1")
        .bind(id)
        .bind(place)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(place)
}

fn letter(row: &PgRow) -> Result<DeadLetterRow, Error> {
    Ok(DeadLetterRow {
        id: row.try_get(0)?,
        outbox_id: row.try_get(1)?,
        event: row.try_get(2)?,
        aggregate: row.try_get(3)?,
        body: row.try_get(4)?,
        error: row.try_get(5)?,
        retry_count: row.try_get(6)?,
        failed_at: row.try_get(7)?,
        replayed_as: row.try_get(8)?,
    })
}
