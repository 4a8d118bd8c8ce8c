//! Messages from Kafka that can have no effect: kept whole, listed, shown and replayed.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgPool};

use super::{StoreError, limited};

/// A header of a message; its value as text where it is UTF-8, else in hexadecimal digits.
pub type Header = (String, Option<String>);

/// A message that can have no effect.
#[derive(Clone, Debug, FromRow)]
pub struct ReceivedLetterRow {
    /// Its number, by which it is shown and replayed.
    pub id: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Json<Vec<Header>>,
    pub body: Vec<u8>,
    /// A word for the kind of fault.
    pub code: String,
    /// For people.
    pub reason: String,
    pub failed_at: DateTime<Utc>,
    /// Whether the dead-letter topic has it.
    pub published: bool,
    pub asked_at: Option<DateTime<Utc>>,
    pub replayed_at: Option<DateTime<Utc>>,
}

/// A message that is about to be kept.
#[derive(Clone, Debug)]
pub struct ReceivedLetter<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub headers: Vec<Header>,
    pub body: &'a [u8],
    pub code: &'a str,
    pub reason: &'a str,
}

const COLUMNS: &str =
    "id, topic, partition, \"offset\", key, headers, body, code, reason, failed_at, published, asked_at, replayed_at";

/// Keeps a message, and returns its number and whether the dead-letter topic has it. A second time for the same message
/// says why it is dead now: a replay of it was in vain.
///
/// # Errors
/// Any failure of the statement.
pub async fn keep(pool: &PgPool, letter: &ReceivedLetter<'_>) -> Result<(i64, bool), StoreError> {
    let query = sqlx::query_as(
        "INSERT INTO received_letters (topic, partition, \"offset\", key, headers, body, digest, code, reason)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (topic, partition, \"offset\", digest) DO UPDATE SET code = excluded.code, reason = excluded.reason, asked_at = NULL, replayed_at = NULL
           RETURNING id, published",
    );
    let query = query
        .bind(letter.topic)
        .bind(letter.partition)
        .bind(letter.offset)
        .bind(letter.key)
        .bind(Json(&letter.headers))
        .bind(letter.body)
        .bind(Sha256::digest(letter.body).to_vec())
        .bind(letter.code)
        .bind(letter.reason);
    limited(async { Ok(query.fetch_one(pool).await?) }).await
}

/// Notes that the dead-letter topic has these.
///
/// # Errors
/// Any failure of the statement.
pub async fn published(pool: &PgPool, ids: &[i64]) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE received_letters SET published = true WHERE id = ANY ($1)").bind(ids);
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}

/// Notes that a letter was replayed; what came of it says its message.
///
/// # Errors
/// Any failure of the statement.
pub async fn replayed(pool: &PgPool, ids: &[i64]) -> Result<(), StoreError> {
    let query =
        sqlx::query("UPDATE received_letters SET replayed_at = clock_timestamp() WHERE id = ANY ($1)").bind(ids);
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}

/// The first of some messages, in this order, whose bodies come to at most `$3` bytes together; the last may pass it, so
/// that there is always one. A body may be as long as a message of Kafka's, and is read whole.
pub(super) fn within_bytes(some: &str, columns: &str, order: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {columns} FROM (SELECT *, sum(octet_length(body)) OVER (ORDER BY {order}) - octet_length(body) AS bytes_before FROM ({some}) f) f
           WHERE bytes_before < $3 ORDER BY {order}"
    ))
}

/// Letters of these topics whose replay was requested: at most `rows_max`, or as many as bring so many bytes.
///
/// # Errors
/// Any failure of the statement.
pub async fn asked(
    pool: &PgPool,
    topics: &[String],
    (rows_max, bytes_max): (i64, usize),
) -> Result<Vec<ReceivedLetterRow>, StoreError> {
    let some = format!(
        "SELECT {COLUMNS} FROM received_letters WHERE topic = ANY ($1) AND asked_at IS NOT NULL AND replayed_at IS NULL
           ORDER BY id LIMIT $2"
    );
    let query = sqlx::query_as(within_bytes(&some, COLUMNS, "id"));
    let query = query.bind(topics).bind(rows_max).bind(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// Deletes the oldest letters until so many are left, at most `rows_max` at a time, of those that the dead-letter topic
/// has and nobody wants to be read again.
///
/// # Errors
/// Any failure of the statement.
pub async fn forget(pool: &PgPool, left: i64, rows_max: i64) -> Result<u64, StoreError> {
    let sql = "DELETE FROM received_letters WHERE id IN (
                 SELECT id FROM received_letters WHERE id <= (SELECT max(id) FROM received_letters) - $1 AND published AND (asked_at IS NULL OR replayed_at IS NOT NULL)
                   ORDER BY id LIMIT $2)";
    limited(async { Ok(sqlx::query(sql).bind(left).bind(rows_max).execute(pool).await?.rows_affected()) }).await
}

/// At most `rows_max` letters with numbers above `after`; replayed ones only with `replayed_too`. Of long bodies only
/// the first 64 KiB are read.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    after: i64,
    replayed_too: bool,
    rows_max: i64,
) -> Result<Vec<ReceivedLetterRow>, StoreError> {
    let columns = COLUMNS.replace(" body,", " substr(body, 1, 65536) AS body,");
    let sql = format!(
        "SELECT {columns} FROM received_letters WHERE id > $1 AND ($2 OR replayed_at IS NULL) ORDER BY id LIMIT $3"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql));
    limited(async { Ok(query.bind(after).bind(replayed_too).bind(rows_max).fetch_all(pool).await?) }).await
}

/// `None`: there is no letter of this number.
///
/// # Errors
/// Any failure of the statement.
pub async fn show(pool: &PgPool, id: i64) -> Result<Option<ReceivedLetterRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM received_letters WHERE id = $1");
    let query = sqlx::query_as(AssertSqlSafe(sql));
    limited(async { Ok(query.bind(id).fetch_optional(pool).await?) }).await
}

/// Requests that a message be read again; false: there is no such letter, or it was replayed before.
///
/// # Errors
/// Any failure of the statement.
pub async fn ask_replay(pool: &PgPool, id: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE received_letters SET asked_at = coalesce(asked_at, clock_timestamp()) WHERE id = $1 AND replayed_at IS NULL";
    limited(async { Ok(sqlx::query(sql).bind(id).execute(pool).await?.rows_affected() == 1) }).await
}

/// Notes that a letter was read again in vain, and why.
///
/// # Errors
/// Any failure of the statement.
pub async fn failed_again(pool: &PgPool, id: i64, code: &str, reason: &str) -> Result<(), StoreError> {
    let query = sqlx::query(
        "UPDATE received_letters SET asked_at = NULL, failed_at = clock_timestamp(), code = $2, reason = $3 WHERE id = $1",
    );
    limited(async { Ok(query.bind(id).bind(code).bind(reason).execute(pool).await.map(drop)?) }).await
}
