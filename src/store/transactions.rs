//! Reading transactions back.

mod list;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::record::{ExchangeRow, TransactionId};

pub use self::list::{Cursor, Filter, Page, list};

/// A transaction as it was written.
#[derive(Clone, Debug)]
pub struct TransactionRow {
    /// Its id.
    pub id: TransactionId,
    /// [`crate::protocol::record::Api`] by number.
    pub api: i16,
    /// [`crate::protocol::record::Kind`] by number.
    pub kind: i16,
    /// The caller's key.
    pub key: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// A JSON object of texts.
    pub metadata: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
    /// Code and words, if it was declined.
    pub decline: Option<(i16, String)>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// The transaction that it gives back, in part or whole, and how much of that it counts as, in minor units.
    pub refund_of: Option<(TransactionId, i128)>,
    /// What was given back of it so far, in minor units; none if nothing ever was.
    pub refunded: Option<i128>,
    /// It was given back last by a reversal, not by a refund.
    pub reversed: bool,
    /// It is a step of a movement through the provider, which took what the saga's hold had.
    pub of_saga: bool,
    /// The rate that it pins, if it exchanged money.
    pub exchange: Option<Exchange>,
    /// In order.
    pub postings: Vec<PostingRow>,
}

/// At which rate a transaction exchanged money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Exchange {
    /// The rate's number.
    pub rate_id: i64,
    /// One unit of this currency
    pub base: String,
    /// of this
    pub quote: String,
    /// is so many, as decimal text.
    pub rate: String,
    /// How the amount that arrived was rounded.
    pub rounding: String,
}

impl Exchange {
    /// As it is about to be written.
    pub fn of(row: &ExchangeRow) -> Self {
        let (base, quote) = (row.base.to_string(), row.quote.to_string());
        Self { rate_id: row.rate_id, base, quote, rate: row.rate.to_string(), rounding: row.rounding.into() }
    }
}

/// A posting as it was written, or as it was asked for if declined.
#[derive(Clone, Debug, FromRow)]
pub struct PostingRow {
    /// Its transaction.
    pub transaction: Uuid,
    /// The account that paid.
    pub debit: String,
    /// The account that was paid.
    pub credit: String,
    /// In minor units.
    #[sqlx(try_from = "Numeric")]
    pub amount: i128,
    /// Its code.
    pub currency: String,
    /// Decimals of the currency.
    pub exponent: Option<i16>,
    /// Balances after it; none if declined.
    pub debit_after: Option<Numeric>,
    /// Of the credited account.
    pub credit_after: Option<Numeric>,
}

impl From<Numeric> for i128 {
    fn from(value: Numeric) -> Self {
        value.0
    }
}

#[derive(FromRow)]
struct Head {
    id: Uuid,
    api: i16,
    kind: i16,
    status: i16,
    key: Option<String>,
    reference: Option<String>,
    description: Option<String>,
    metadata: Option<String>,
    correlation: Option<String>,
    decline_code: Option<i16>,
    decline_message: Option<String>,
    created_at: DateTime<Utc>,
    refund_of: Option<Uuid>,
    gave: Option<Numeric>,
    refunded: Option<Numeric>,
    reversed: bool,
    of_saga: bool,
    exchange: Option<Json<Exchange>>,
}

const HEAD: &str = "SELECT id, api, kind, status, key, reference, description, metadata, correlation, decline_code, decline_message, created_at, \
     CASE WHEN kind IN (5, 13) THEN (SELECT payment FROM refunds WHERE refund = id) END AS refund_of, CASE WHEN kind IN (5, 13) THEN (SELECT amount FROM refunds WHERE refund = id) END AS gave, \
     (SELECT given FROM refunded WHERE payment = id) AS refunded, \
     CASE WHEN EXISTS (SELECT FROM refunded WHERE payment = id) \
       THEN (SELECT b.kind FROM refunds r JOIN transactions b ON b.id = r.refund WHERE r.payment = transactions.id ORDER BY r.refund DESC LIMIT 1) END IS NOT DISTINCT FROM 13 AS reversed, \
     kind = 11 AND EXISTS (SELECT FROM hold_steps s JOIN sagas g ON g.id = s.hold WHERE s.transaction = transactions.id) AS of_saga, \
     CASE kind WHEN 7 THEN (SELECT json_build_object('rate_id', rate_id, 'base', base, 'quote', quote, 'rate', trim_scale(rate)::text, 'rounding', rounding) \
       FROM exchanges WHERE transaction = id) END AS exchange FROM transactions";

/// Transaction by transaction, and names by their key: joins that the planner may order would read tables whole.
const POSTINGS: &str = "SELECT p.transaction, d.name AS debit, c.name AS credit, p.amount, d.currency, d.exponent, p.debit_balance_after AS debit_after, p.credit_balance_after AS credit_after, p.n \
     FROM transactions t, LATERAL (SELECT * FROM postings WHERE seq BETWEEN t.first_seq AND t.last_seq AND transaction = t.id OFFSET 0) p, \
       LATERAL (SELECT a.name, a.currency, k.exponent FROM accounts a JOIN currencies k ON k.code = a.currency WHERE a.id = p.debit_account OFFSET 0) d, \
       LATERAL (SELECT a.name FROM accounts a WHERE a.id = p.credit_account OFFSET 0) c WHERE t.id = ANY($1) \
     UNION ALL SELECT p.transaction, p.debit_account, p.credit_account, p.amount, p.currency, k.exponent, NULL, NULL, p.n \
     FROM declined_postings p LEFT JOIN currencies k ON k.code = p.currency WHERE p.transaction = ANY($1) ORDER BY 1, 9";

/// One transaction of a tenant.
///
/// # Errors
/// Any failure of the statements.
pub async fn get(pool: &PgPool, tenant: &str, id: TransactionId) -> Result<Option<TransactionRow>, StoreError> {
    let read = async {
        let sql = format!("{HEAD} WHERE id = $1 AND tenant = $2");
        let head: Vec<Head> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).bind(tenant).fetch_all(pool).await?;
        with_postings(pool, head).await
    };
    Ok(limited(read).await?.pop())
}

/// Links of a chain of undoings that are followed.
pub const CHAIN_MAX: i32 = 100;

/// What a transaction gave back, what that had given back, and so on: each with how much it counts as, in minor units; at most [`CHAIN_MAX`].
/// None of it ever changes.
///
/// # Errors
/// Any failure of the statement.
pub async fn gave_back(pool: &PgPool, id: TransactionId) -> Result<Vec<(TransactionId, i128)>, StoreError> {
    let sql = "WITH RECURSIVE chain AS (SELECT payment, amount, 1 AS n FROM refunds WHERE refund = $1 \
                 UNION ALL SELECT r.payment, r.amount, n + 1 FROM chain c JOIN refunds r ON r.refund = c.payment WHERE n < $2) \
               SELECT payment, amount FROM chain ORDER BY n";
    let query = sqlx::query_as::<_, (Uuid, Numeric)>(sql).bind(id.0).bind(CHAIN_MAX);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    Ok(rows.into_iter().map(|(payment, amount)| (TransactionId(payment), amount.0)).collect())
}

/// Transactions of contract 4 with this correlation id, the newest first, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn by_correlation(pool: &PgPool, tenant: &str, correlation: &str, count: usize) -> Result<Vec<TransactionRow>, StoreError> {
    let read = async {
        let sql = format!("{HEAD} WHERE tenant = $1 AND correlation = $2 AND api = 3 ORDER BY id DESC LIMIT $3");
        let heads: Vec<Head> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(tenant)
            .bind(correlation)
            .bind(i64::try_from(count).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await?;
        with_postings(pool, heads).await
    };
    limited(read).await
}

/// These transactions of a tenant, in this order, those that exist.
async fn by_ids(pool: &PgPool, tenant: &str, ids: &[Uuid]) -> Result<Vec<TransactionRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{HEAD} WHERE id = ANY($1) AND tenant = $2");
    let heads: Vec<Head> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(ids).bind(tenant).fetch_all(pool).await?;
    let mut rows: HashMap<Uuid, TransactionRow> = with_postings(pool, heads).await?.into_iter().map(|row| (row.id.0, row)).collect();
    Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
}

async fn with_postings(pool: &PgPool, heads: Vec<Head>) -> Result<Vec<TransactionRow>, StoreError> {
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = heads.iter().map(|head| head.id).collect();
    let rows: Vec<PostingRow> = sqlx::query_as(POSTINGS).bind(&ids).fetch_all(pool).await?;
    let mut postings: HashMap<Uuid, Vec<PostingRow>> = HashMap::with_capacity(heads.len());
    for row in rows {
        postings.entry(row.transaction).or_default().push(row);
    }
    let row = |head: Head| TransactionRow {
        id: TransactionId(head.id),
        api: head.api,
        refund_of: head.refund_of.map(TransactionId).zip(head.gave.map(|gave| gave.0)),
        refunded: head.refunded.map(|given| given.0),
        reversed: head.reversed,
        of_saga: head.of_saga,
        exchange: head.exchange.map(|exchange| exchange.0),
        kind: head.kind,
        key: head.key,
        reference: head.reference,
        description: head.description,
        metadata: head.metadata,
        correlation: head.correlation,
        decline: (head.status == 2).then(|| (head.decline_code.unwrap_or_default(), head.decline_message.unwrap_or_default())),
        created_at: head.created_at,
        postings: postings.remove(&head.id).unwrap_or_default(),
    };
    Ok(heads.into_iter().map(row).collect())
}
