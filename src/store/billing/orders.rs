//! Orders that were billed before, and those that wait.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::protocol::record::{RequestHash, TransactionId};
use crate::store::received::within_bytes;
use crate::store::{StoreError, limited};

/// Which of these orders' transactions are done, and the hash of what was billed then; `None`: its row cannot be found
/// any more.
///
/// # Errors
/// Any failure of the statements.
pub async fn billed(
    pool: &PgPool,
    ids: &[TransactionId],
) -> Result<HashMap<TransactionId, Option<RequestHash>>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let query = sqlx::query_as::<_, (Uuid, Option<Uuid>)>(
        "SELECT d.id, j.request FROM derived d LEFT JOIN journal_at(ARRAY(SELECT seq FROM derived WHERE id = ANY ($1))) j ON j.id = d.id AND j.n = 0
           WHERE d.id = ANY ($1)",
    );
    let rows = limited(async { Ok(query.bind(&ids).fetch_all(pool).await?) }).await?;
    Ok(rows.into_iter().map(|(id, request)| (TransactionId(id), request.map(RequestHash))).collect())
}

/// An order that waits, and why.
#[derive(Clone, Debug, FromRow)]
pub struct ParkedRow {
    pub id: i64,
    pub tenant: String,
    pub event_id: String,
    pub reason: String,
    /// The message as it came.
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
    /// `None`: it still waits.
    pub billed_at: Option<DateTime<Utc>>,
}

/// An order to be parked.
#[derive(Clone, Copy, Debug)]
pub struct Parked<'a> {
    pub tenant: &'a str,
    pub event_id: &'a str,
    pub reason: &'a str,
    pub body: &'a [u8],
    pub received_at: DateTime<Utc>,
}

/// Parks an order. One that is parked already stays as it is.
///
/// # Errors
/// Any failure of the statement.
pub async fn park(pool: &PgPool, order: Parked<'_>) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO parked_orders (tenant, event_id, reason, body, received_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (tenant, event_id) DO NOTHING",
    );
    let query =
        query.bind(order.tenant).bind(order.event_id).bind(order.reason).bind(order.body).bind(order.received_at);
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}

/// Orders that wait, with numbers above `after`, oldest first; of long bodies only the first 64 KiB are read.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, after: i64, rows_max: i64) -> Result<Vec<ParkedRow>, StoreError> {
    let columns = COLUMNS.replace(" body,", " substr(body, 1, 65536) AS body,");
    let sql = format!("SELECT {columns} FROM parked_orders WHERE billed_at IS NULL AND id > $1 ORDER BY id LIMIT $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
    limited(async { Ok(query.bind(after).bind(rows_max).fetch_all(pool).await?) }).await
}

const COLUMNS: &str = "id, tenant, event_id, reason, body, received_at, billed_at";

/// Orders that wait, with numbers above `after`, oldest first: at most `rows_max`, or as many as bring so many bytes.
///
/// # Errors
/// Any failure of the statement.
pub async fn waiting(
    pool: &PgPool,
    after: i64,
    (rows_max, bytes_max): (i64, usize),
) -> Result<Vec<ParkedRow>, StoreError> {
    let some = format!("SELECT {COLUMNS} FROM parked_orders WHERE billed_at IS NULL AND id > $1 ORDER BY id LIMIT $2");
    let query = sqlx::query_as(within_bytes(&some, COLUMNS, "id"));
    let query = query.bind(after).bind(rows_max).bind(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}
