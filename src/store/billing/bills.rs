//! Bills that wait for their customer, and those that became invoices.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::money::Amount;
use crate::protocol::content::Content;
use crate::protocol::record::TransactionId;
use crate::store::numeric::Numeric;
use crate::store::received::within_bytes;
use crate::store::{StoreError, limited};

/// A bill that waits, as its message came.
#[derive(Clone, Debug, FromRow)]
pub struct ParkedBillRow {
    /// Topic, partition, offset and the hash of the body.
    pub place: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
    /// Since when it waits.
    pub parked_at: DateTime<Utc>,
}

/// Parks a bill. One that is parked already stays as it is.
///
/// # Errors
/// Any failure of the statement.
pub async fn park(pool: &PgPool, bill: &ParkedBillRow) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO parked_bills (place, topic, partition, \"offset\", key, body, received_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (place) DO NOTHING",
    );
    let query = query.bind(&bill.place).bind(&bill.topic).bind(bill.partition).bind(bill.offset).bind(&bill.key);
    limited(async { Ok(query.bind(&bill.body).bind(bill.received_at).execute(pool).await.map(drop)?) }).await
}

const COLUMNS: &str = "place, topic, partition, \"offset\", key, body, received_at, parked_at";

/// Bills that wait, oldest first, behind one that was parked at this time: at most `rows_max`, or as many as bring so
/// many bytes.
///
/// # Errors
/// Any failure of the statement.
pub async fn waiting(
    pool: &PgPool,
    (parked_at, place): (DateTime<Utc>, &str),
    (rows_max, bytes_max): (i64, usize),
) -> Result<Vec<ParkedBillRow>, StoreError> {
    let some = format!(
        "SELECT {COLUMNS} FROM parked_bills WHERE (parked_at, place) > ($4, $1) ORDER BY parked_at, place LIMIT $2"
    );
    let query = sqlx::query_as(within_bytes(&some, COLUMNS, "parked_at, place"));
    let query = query.bind(place).bind(rows_max).bind(i64::try_from(bytes_max).unwrap_or(i64::MAX)).bind(parked_at);
    limited(async { Ok(query.fetch_all(pool).await?) }).await
}

/// These wait no longer.
///
/// # Errors
/// Any failure of the statement.
pub async fn release(pool: &PgPool, places: &[&str]) -> Result<(), StoreError> {
    let query = sqlx::query("DELETE FROM parked_bills WHERE place = ANY ($1)").bind(places);
    limited(async { Ok(query.execute(pool).await.map(drop)?) }).await
}

/// An invoice as it was issued.
#[derive(Clone, Debug)]
pub struct IssuedBill {
    pub id: i64,
    pub subtotal: Amount,
    pub tax: Amount,
    pub total: Amount,
    pub issued_at: DateTime<Utc>,
    pub content: Content,
}

#[derive(FromRow)]
struct Row {
    transaction: Uuid,
    id: i64,
    subtotal: Numeric,
    tax: Numeric,
    total: Numeric,
    issued_at: DateTime<Utc>,
    content: Json<Content>,
}

/// The invoices that these transactions issued, as far as they did.
///
/// # Errors
/// Any failure of the statement; `Unreadable` where an amount is beyond what this version knows.
pub async fn issued(pool: &PgPool, ids: &[TransactionId]) -> Result<HashMap<TransactionId, IssuedBill>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let query = sqlx::query_as::<_, Row>(
        "SELECT d.id AS transaction, i.id, i.subtotal, i.tax, i.total, i.issued_at, i.content
           FROM derived d JOIN invoices i ON i.seq = d.seq WHERE d.id = ANY ($1)",
    );
    let rows = limited(async { Ok(query.bind(&ids).fetch_all(pool).await?) }).await?;
    rows.into_iter().map(|row| Ok((TransactionId(row.transaction), row.read()?))).collect()
}

impl Row {
    fn read(self) -> Result<IssuedBill, StoreError> {
        let amount =
            |it: Numeric| Amount::new(it.0).map_err(|_| StoreError::Unreadable(format!("an amount of {}", it.0)));
        Ok(IssuedBill {
            id: self.id,
            subtotal: amount(self.subtotal)?,
            tax: amount(self.tax)?,
            total: amount(self.total)?,
            issued_at: self.issued_at,
            content: self.content.0,
        })
    }
}
