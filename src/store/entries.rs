//! An account's debits and credits, with its balance after each.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::record::AccountId;

/// One side of a posting, as its account sees it.
#[derive(Clone, Debug, FromRow)]
pub struct EntryRow {
    pub transaction: Uuid,
    /// The number of the posting within its transaction, from 0.
    pub n: i16,
    /// The place of the row in the journal.
    pub seq: i64,
    /// The other account's id, as callers use it.
    pub counter: String,
    /// In minor units: negative for a debit, positive for a credit.
    #[sqlx(try_from = "Numeric")]
    pub amount: i128,
    /// The account's balance after the entry, in minor units.
    #[sqlx(try_from = "Numeric")]
    pub balance_after: i128,
    /// When the transaction was accepted.
    pub created_at: DateTime<Utc>,
}

/// Names are looked up one by one, so that no plan reads a table whole.
const ENTRIES: &str = "SELECT p.id AS transaction, p.n, p.seq, \
       (SELECT a.name FROM accounts a WHERE a.id = CASE $1 WHEN p.debit_account THEN p.credit_account ELSE p.debit_account END) AS counter, \
       CASE $1 WHEN p.debit_account THEN -p.amount ELSE p.amount END AS amount, \
       CASE $1 WHEN p.debit_account THEN p.debit_after ELSE p.credit_after END AS balance_after, p.created_at \
     FROM account_postings($1, $2, $3) p";

/// At most `count` entries, newest first, before the account's row at the place `below`; `i64::MAX`: from the newest.
/// Places only grow, so paging by them leaves nothing out.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, account: AccountId, below: i64, count: i64) -> Result<Vec<EntryRow>, StoreError> {
    limited(async { Ok(sqlx::query_as(ENTRIES).bind(account.0).bind(below).bind(count).fetch_all(pool).await?) }).await
}
