//! Events that Kafka refused for themselves: kept whole, listed, shown and replayed.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Error, PgPool, Row as _};

use crate::protocol::events::EventNumber;

#[derive(Clone, Debug)]
pub struct DeadLetterRow {
    /// Its number, by which it is shown and replayed.
    pub id: i64,
    /// The event's place in the journal.
    pub seq: i64,
    pub tenant: String,
    pub event: EventNumber,
    /// The message key.
    pub aggregate: String,
    /// The whole envelope as JSON text.
    pub body: String,
    /// Why it was given up.
    pub error: String,
    pub retry_count: i32,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
    /// The place of its replay in the journal; `None`: not replayed yet.
    pub replayed_as: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no dead letter of this number.
    #[error("there is no dead letter {0}")]
    Unknown(i64),
    #[error("dead letter {id} was replayed before, as event {replayed_as}")]
    Replayed {
        /// The number of the dead letter.
        id: i64,
        /// The place of its replay in the journal.
        replayed_as: i64,
    },
    /// Nothing was replayed, or the answer was lost.
    #[error(transparent)]
    Database(#[from] Error),
}

const COLUMNS: &str = "id, seq, tenant, event, aggregate, body, error, retry_count, failed_at, replayed_as";

/// An event that could not be published, about to become a dead letter.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Its place in the journal.
    pub seq: i64,
    pub tenant: &'a str,
    pub event: EventNumber,
    /// The message key.
    pub aggregate: &'a str,
    /// The whole envelope as JSON text.
    pub body: &'a str,
    /// Why it was given up.
    pub error: &'a str,
    pub retry_count: i32,
}

/// Keeps an event that could not be published. A second time for the same place changes nothing.
pub async fn insert_dead_letter(db: impl PgExecutor<'_>, letter: Letter<'_>) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO dead_letters (seq, tenant, event, aggregate, body, error, retry_count) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (seq) DO NOTHING",
    )
    .bind(letter.seq)
    .bind(letter.tenant)
    .bind(letter.event.0)
    .bind(letter.aggregate)
    .bind(letter.body)
    .bind(letter.error)
    .bind(letter.retry_count)
    .execute(db)
    .await?;
    Ok(())
}

/// Place, reason and count of retries of events after this position that were given up: the position may not have
/// passed them yet.
pub async fn dead_letters_after(db: impl PgExecutor<'_>, position: i64) -> Result<Vec<(i64, String, i32)>, Error> {
    sqlx::query_as("SELECT seq, error, retry_count FROM dead_letters WHERE seq > $1 ORDER BY seq LIMIT 100000")
        .bind(position)
        .fetch_all(db)
        .await
}

/// At most `rows_max` dead letters with numbers above `after`; replayed ones only with `replayed_too`.
pub async fn list_dead_letters(
    db: impl PgExecutor<'_>,
    after: i64,
    replayed_too: bool,
    rows_max: i64,
) -> Result<Vec<DeadLetterRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE id > $1 AND ($2 OR replayed_as IS NULL) ORDER BY id LIMIT $3"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(after)
        .bind(replayed_too)
        .bind(rows_max)
        .try_map(|row| letter(&row))
        .fetch_all(db)
        .await
}

/// How many dead letters were not replayed.
pub async fn count_dead_letters(db: impl PgExecutor<'_>) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE replayed_as IS NULL").fetch_one(db).await
}

/// `None`: there is no dead letter of this number.
pub async fn show_dead_letter(db: impl PgExecutor<'_>, id: i64) -> Result<Option<DeadLetterRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = $1");
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).try_map(|row| letter(&row)).fetch_optional(db).await
}

/// Requests that the leader publish a dead letter's event again, as the newest event of its message key.
///
/// # Errors
/// When there is no such letter, when it was replayed before, or when the database fails.
pub async fn ask_replay(pool: &PgPool, id: i64) -> Result<(), ReplayError> {
    let asked = "UPDATE dead_letters SET asked_at = coalesce(asked_at, clock_timestamp()) WHERE id = $1 AND replayed_as IS NULL";
    if sqlx::query(asked).bind(id).execute(pool).await?.rows_affected() == 1 {
        return Ok(());
    }
    let letter = show_dead_letter(pool, id).await?.ok_or(ReplayError::Unknown(id))?;
    letter.replayed_as.map_or(Ok(()), |replayed_as| Err(ReplayError::Replayed { id, replayed_as }))
}

/// At most `rows_max` dead letters whose replay was requested, in the order of the requests.
pub async fn asked_replays(db: impl PgExecutor<'_>, rows_max: i64) -> Result<Vec<DeadLetterRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE asked_at IS NOT NULL AND replayed_as IS NULL ORDER BY asked_at, id LIMIT $1"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(rows_max).try_map(|row| letter(&row)).fetch_all(db).await
}

fn letter(row: &PgRow) -> Result<DeadLetterRow, Error> {
    Ok(DeadLetterRow {
        id: row.try_get(0)?,
        seq: row.try_get(1)?,
        tenant: row.try_get(2)?,
        event: EventNumber(row.try_get(3)?),
        aggregate: row.try_get(4)?,
        body: row.try_get(5)?,
        error: row.try_get(6)?,
        retry_count: row.try_get(7)?,
        failed_at: row.try_get(8)?,
        replayed_as: row.try_get(9)?,
    })
}
