//! Reads transactions back from their rows in the journal.

mod list;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgPool};
use uuid::Uuid;

use super::journal_rows::{COLUMNS, SqlRow};
use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::journal::status;
use crate::protocol::record::{DeclineCode, ExchangeRow, Kind, TransactionId};

pub use self::list::{Cursor, Filter, Page, list};

#[derive(Clone, Debug)]
pub struct TransactionRow {
    pub id: TransactionId,
    pub kind: Kind,
    /// The idempotency key as the caller gave it.
    pub key: Option<String>,
    /// Free text of the caller.
    pub reference: Option<String>,
    /// Free text of the caller.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    /// The name of an API key or a certificate; `None`: no credentials were required, or Florin did it itself.
    pub made_by: Option<String>,
    /// The caller's IP address; `None`: Florin did it itself.
    pub made_from: Option<String>,
    /// Why, for machines and for people; `None`: it was not declined.
    pub decline: Option<(DeclineCode, String)>,
    /// When it was accepted for processing.
    pub created_at: DateTime<Utc>,
    /// The transaction that it refunds or reverses, and how much of that it gives back, in minor units.
    pub refund_of: Option<(TransactionId, i128)>,
    /// What was given back of it so far, in minor units; `None`: nothing ever was.
    pub refunded: Option<i128>,
    /// Whether the last to give back was a reversal, not a refund.
    pub reversed: bool,
    /// Whether it is a saga's step, or began one.
    pub of_saga: bool,
    /// `None`: it is no exchange.
    pub exchange: Option<Exchange>,
    /// In order.
    pub postings: Vec<PostingRow>,
}

/// The rate of an exchange: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Exchange {
    pub rate_id: i64,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    /// Decimal text.
    pub rate: String,
    /// How the amount that arrived was rounded: the name of a mode.
    pub rounding: String,
}

impl Exchange {
    /// From the record that is about to be written.
    pub fn of(row: &ExchangeRow) -> Self {
        let (base, quote) = (row.base.to_string(), row.quote.to_string());
        Self { rate_id: row.rate_id, base, quote, rate: row.rate.to_string(), rounding: row.rounding.into() }
    }
}

/// A posting as it was written or, if declined, requested.
#[derive(Clone, Debug)]
pub struct PostingRow {
    pub transaction: Uuid,
    /// The id of the account that money leaves.
    pub debit: String,
    /// The id of the account at which it arrives.
    pub credit: String,
    /// In minor units.
    pub amount: i128,
    /// Currency code.
    pub currency: String,
    /// Decimals of the currency; `None`: the currency is unknown.
    pub exponent: Option<i16>,
    /// The debited account's balance after it, in minor units; `None`: it was declined.
    pub debit_after: Option<Numeric>,
    /// The credited account's balance after it, in minor units; `None`: it was declined.
    pub credit_after: Option<Numeric>,
}

impl From<Numeric> for i128 {
    fn from(value: Numeric) -> Self {
        value.0
    }
}

/// A row of the journal, with what other tables say of it.
#[derive(FromRow)]
struct Read {
    #[sqlx(flatten)]
    row: SqlRow,
    made_by: Option<String>,
    made_from: Option<String>,
    /// Of a posting: the ids of its accounts, and their currency.
    debit: Option<String>,
    credit: Option<String>,
    currency: Option<String>,
    exponent: Option<i16>,
    /// Of a first row: what was given back of the transaction.
    given: Option<Numeric>,
    reversed: Option<bool>,
    /// Of a declined transaction: decimals of the currencies that it names, by code, as far as they exist.
    exponents: Option<Json<HashMap<String, i16>>>,
}

/// A posting in the body of a declined transaction.
#[derive(Deserialize)]
struct Asked {
    debit: String,
    credit: String,
    amount: String,
    currency: String,
}

/// Reads a tenant's transactions whose first rows are at these places; other records are left out. Names are looked up
/// row by row: of joins that the planner may order, some would read tables whole.
fn reading(places: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {COLUMNS}, j.made_by, j.made_from, d.debit, c.credit, d.currency, d.exponent, r.given, r.reversed, \
           CASE WHEN j.status = 2 THEN (SELECT jsonb_object_agg(k.code, k.exponent) FROM currencies k \
             WHERE k.code = ANY(ARRAY(SELECT p ->> 'currency' FROM jsonb_array_elements(j.body -> 'postings') p))) END AS exponents \
         FROM journal_transactions({places}) j \
           LEFT JOIN LATERAL (SELECT a.name AS debit, a.currency, k.exponent FROM accounts a JOIN currencies k ON k.code = a.currency \
             WHERE a.id = j.debit_account AND j.amount IS NOT NULL OFFSET 0) d ON true \
           LEFT JOIN LATERAL (SELECT a.name AS credit FROM accounts a WHERE a.id = j.credit_account AND j.amount IS NOT NULL OFFSET 0) c ON true \
           LEFT JOIN LATERAL (SELECT g.given, g.reversed FROM refunded g WHERE g.payment = j.id AND j.n = 0 OFFSET 0) r ON true \
         WHERE j.tenant = $2 AND j.status <= 2 AND j.kind <= 20 ORDER BY j.seq"
    ))
}

/// `None`: the tenant has no such transaction.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: TransactionId) -> Result<Option<TransactionRow>, StoreError> {
    let places = "(SELECT array_agg(p.seq) FROM journal_places(ARRAY[$1::uuid]) p)";
    let query = sqlx::query_as::<_, Read>(reading(places)).bind(id.0).bind(tenant);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    Ok(transactions(rows)?.into_values().next())
}

/// The newest transaction of a kind that follows this one and took effect; `None`: there is none.
///
/// # Errors
/// Any failure of the statement.
pub async fn last_following(
    pool: &PgPool,
    tenant: &str,
    id: TransactionId,
    kind: Kind,
) -> Result<Option<TransactionRow>, StoreError> {
    let places = "(SELECT ARRAY[journal_last_following($1, $3)])";
    let query = sqlx::query_as::<_, Read>(reading(places)).bind(id.0).bind(tenant).bind(kind.code());
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    Ok(transactions(rows)?.into_values().next())
}

/// How many reversals of reversals are followed.
pub const CHAIN_MAX: i32 = 100;

/// What a transaction gave back, what that had given back, and so on, at most [`CHAIN_MAX`] of them: each with how much
/// it counts, in minor units. None of it ever changes.
///
/// # Errors
/// Any failure of the statement.
pub async fn gave_back(pool: &PgPool, id: TransactionId) -> Result<Vec<(TransactionId, i128)>, StoreError> {
    // A row's body says how much it gave only if it did.
    let sql = "WITH RECURSIVE chain AS (SELECT $1::uuid AS payment, NULL::numeric AS amount, 0 AS n \
                 UNION ALL SELECT j.follows, (j.body ->> 'gave')::numeric, c.n + 1 FROM chain c, \
                   LATERAL (SELECT * FROM journal_at((SELECT array_agg(p.seq) FROM journal_places(ARRAY[c.payment]) p))) j \
                   WHERE c.n < $2 AND j.kind IN (5, 13) AND j.status = 1 AND j.follows IS NOT NULL) \
               SELECT payment, amount FROM chain WHERE amount IS NOT NULL ORDER BY n";
    let query = sqlx::query_as::<_, (Uuid, Numeric)>(sql).bind(id.0).bind(CHAIN_MAX);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    Ok(rows.into_iter().map(|(payment, amount)| (TransactionId(payment), amount.0)).collect())
}

/// The first transaction of the accounts REST API with this correlation id; `None`: the tenant has none.
///
/// # Errors
/// Any failure of the statement.
pub async fn first_of_correlation(
    pool: &PgPool,
    tenant: &str,
    correlation: &str,
) -> Result<Option<TransactionRow>, StoreError> {
    let query = sqlx::query_as::<_, Read>(reading("ARRAY[journal_first($2, $1)]")).bind(correlation).bind(tenant);
    let rows = limited(async { Ok(query.fetch_all(pool).await?) }).await?;
    Ok(transactions(rows)?.into_values().next())
}

/// A tenant's transactions at these places, keyed by place.
async fn at_places(pool: &PgPool, tenant: &str, places: &[i64]) -> Result<BTreeMap<i64, TransactionRow>, StoreError> {
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    transactions(sqlx::query_as::<_, Read>(reading("$1")).bind(places).bind(tenant).fetch_all(pool).await?)
}

/// Puts rows, which come in order, together to transactions, keyed by the place of the first row.
fn transactions(rows: Vec<Read>) -> Result<BTreeMap<i64, TransactionRow>, StoreError> {
    let mut found = BTreeMap::new();
    for mut read in rows {
        let (place, n, posting) = (read.row.seq - i64::from(read.row.n), read.row.n, read.posting());
        if n == 0 {
            found.insert(place, read.transaction()?);
        }
        if let Some(transaction) = found.get_mut(&place) {
            transaction.postings.extend(posting);
        }
    }
    Ok(found)
}

impl Read {
    /// The posting of this row; `None`: it has none.
    fn posting(&mut self) -> Option<PostingRow> {
        Some(PostingRow {
            transaction: self.row.id,
            amount: self.row.amount?.0,
            debit: self.debit.take()?,
            credit: self.credit.take()?,
            currency: self.currency.take()?,
            exponent: self.exponent,
            debit_after: self.row.debit_after,
            credit_after: self.row.credit_after,
        })
    }

    /// The transaction of a first row. Its postings are empty, unless it was declined.
    fn transaction(self) -> Result<TransactionRow, StoreError> {
        let row = self.row;
        let unknown = |what: &str| StoreError::Unreadable(format!("transaction {} has an unknown {what}", row.id));
        let kind = Kind::from_code(row.kind).ok_or_else(|| unknown(&format!("kind {}", row.kind)))?;
        let completed = row.status == status::COMPLETED;
        let gives_back = completed && [Kind::REFUND, Kind::REVERSAL].contains(&kind);
        let says = |field: &str| row.body.as_ref().and_then(|body| body.get(field));
        let text = |field: &str| says(field).and_then(serde_json::Value::as_str);
        let gave = text("gave").and_then(|units| units.parse().ok());
        let code = || {
            let number = says("code").and_then(serde_json::Value::as_i64).and_then(|code| i16::try_from(code).ok());
            number.and_then(DeclineCode::from_code).ok_or_else(|| unknown("decline code"))
        };
        let decline = if completed { None } else { Some((code()?, text("message").unwrap_or_default().to_owned())) };
        let exchange = says("exchange").filter(|_| completed).and_then(|rate| Exchange::deserialize(rate).ok());
        let asked = says("postings")
            .filter(|_| !completed)
            .and_then(|postings| Vec::<Asked>::deserialize(postings).ok())
            .unwrap_or_default();
        let posting = |asked: Asked| PostingRow {
            transaction: row.id,
            exponent: self.exponents.as_ref().and_then(|known| known.get(&asked.currency).copied()),
            debit: asked.debit,
            credit: asked.credit,
            amount: asked.amount.parse().unwrap_or_default(),
            currency: asked.currency,
            debit_after: None,
            credit_after: None,
        };
        Ok(TransactionRow {
            id: TransactionId(row.id),
            kind,
            refund_of: row.follows.filter(|_| gives_back).map(TransactionId).zip(gave),
            refunded: self.given.map(|given| given.0),
            reversed: self.reversed.unwrap_or(false),
            of_saga: says("saga").is_some(),
            exchange,
            decline,
            postings: asked.into_iter().map(posting).collect(),
            created_at: row.created_at,
            key: row.key_text,
            reference: row.reference,
            description: row.description,
            metadata: row.metadata,
            correlation: row.correlation,
            made_by: self.made_by,
            made_from: self.made_from,
        })
    }
}
