//! Mails to be sent, and what became of them.

pub mod documents;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};

use super::{StoreError, limited};

/// The number in `mails.kind` of a shop's invoice.
pub const SHOP_INVOICE: i16 = 1;

/// A mail to be sent.
#[derive(Clone, Debug)]
pub struct NewMail<'a> {
    /// The same however often it is requested.
    pub id: String,
    pub kind: i16,
    pub recipient: &'a str,
    pub subject: &'a str,
    pub invoice: &'a str,
    pub params: &'a Value,
    /// The message that requests it.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub body: &'a [u8],
}

/// A mail whose time has come.
#[derive(Clone, Debug, FromRow)]
pub struct DueMail {
    pub tenant: String,
    pub id: String,
    pub recipient: String,
    pub subject: String,
    pub params: Json<Value>,
    /// The invoice or credit note that it brings; `None`: it is a shop's.
    pub document: Option<i64>,
    /// Including the one that begins now.
    pub attempts: i32,
    /// Since when it was to be sent.
    pub created_at: DateTime<Utc>,
    /// Whether its time is over after this attempt.
    pub is_last: bool,
    /// The message that requested it.
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub body: Option<Vec<u8>>,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Yes,
    /// It is tried again after this.
    Later(Duration),
    Never,
}

/// Stores a mail; false: it was there, and stays as it is.
///
/// # Errors
/// Any failure of the statement.
pub async fn insert(pool: &PgPool, tenant: &str, mail: &NewMail<'_>) -> Result<bool, StoreError> {
    let query = sqlx::query(
        "INSERT INTO mails (tenant, id, kind, recipient, subject, invoice, params, topic, partition, \"offset\", key, body)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (tenant, id) DO NOTHING",
    );
    let query = query
        .bind(tenant)
        .bind(&mail.id)
        .bind(mail.kind)
        .bind(mail.recipient)
        .bind(mail.subject)
        .bind(mail.invoice)
        .bind(Json(mail.params))
        .bind(mail.topic)
        .bind(mail.partition)
        .bind(mail.offset)
        .bind(mail.key)
        .bind(mail.body);
    limited(async { Ok(query.execute(pool).await?.rows_affected() == 1) }).await
}

/// At most `rows_max` mails whose time has come, oldest first. Each counts one attempt, and is nobody else's for the
/// time of `lease`.
///
/// # Errors
/// Any failure of the statement.
pub async fn take(
    pool: &PgPool,
    rows_max: i64,
    lease: Duration,
    age_max: Duration,
) -> Result<Vec<DueMail>, StoreError> {
    let query = sqlx::query_as(
        "WITH due AS (
           SELECT tenant, id FROM mails WHERE state = 1 AND next_at <= clock_timestamp()
             ORDER BY next_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE mails m SET attempts = m.attempts + 1, next_at = clock_timestamp() + make_interval(secs => $2)
           FROM due WHERE m.tenant = due.tenant AND m.id = due.id
           RETURNING m.tenant, m.id, m.recipient, m.subject, m.params, m.document, m.attempts, m.created_at,
             m.created_at + make_interval(secs => $3) <= clock_timestamp() AS is_last, m.topic, m.partition, m.\"offset\", m.key, m.body",
    );
    let query = query.bind(rows_max).bind(lease.as_secs_f64()).bind(age_max.as_secs_f64());
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// Notes what became of an attempt, and what the mail server said.
///
/// # Errors
/// Any failure of the statement.
pub async fn note(pool: &PgPool, mail: &DueMail, sent: Sent, answer: &str) -> Result<(), StoreError> {
    let (state, after) = match sent {
        Sent::Yes => (2i16, Duration::ZERO),
        Sent::Later(after) => (1, after),
        Sent::Never => (3, Duration::ZERO),
    };
    let query = sqlx::query(
        "UPDATE mails SET state = $3, answer = $4, next_at = clock_timestamp() + make_interval(secs => $5)
           WHERE tenant = $1 AND id = $2 AND state = 1",
    );
    let query = query.bind(&mail.tenant).bind(&mail.id).bind(state).bind(answer).bind(after.as_secs_f64());
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}
