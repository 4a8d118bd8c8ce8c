//! Events of the outbox for those who watch, with whose they are and what they name.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use smallvec::SmallVec;
use sqlx::{Error, PgPool};
use ulid::Ulid;
use uuid::Uuid;

use super::outbox::{self, Row};
use crate::protocol::events::EventType;
use crate::protocol::live::LiveEvent;
use crate::protocol::record::TransactionId;

/// Events in (after, last] from up to `rows_max` rows, by id, and the id up to which that is all: rows that concern nobody are left out.
/// Of ids that are not final nothing may be asked.
///
/// # Errors
/// Any failure of the statements.
pub async fn read(pool: &PgPool, after: i64, last: i64, rows_max: i64) -> Result<(Vec<LiveEvent>, i64), Error> {
    let rows = outbox::read(pool, after, last, rows_max).await?;
    let aggregates: Vec<Uuid> = rows.iter().filter(|row| !is_of_account(row)).filter_map(aggregate).collect();
    let sql = "SELECT id, tenant FROM transactions WHERE id = ANY($1)";
    let tenants: HashMap<Uuid, String> = sqlx::query_as(sql).bind(&aggregates).fetch_all(pool).await?.into_iter().collect();
    let to = match rows.last() {
        Some(row) if i64::try_from(rows.len()).is_ok_and(|read| read >= rows_max) => row.id,
        _ => last,
    };
    Ok((rows.into_iter().filter_map(|row| event(row, &tenants)).collect(), to))
}

/// Ids up to this one may have left: the events before the oldest that is kept; 0 if none has.
///
/// # Errors
/// Any failure of the statement.
pub async fn gone(pool: &PgPool) -> Result<i64, Error> {
    // What the default partition caught goes row by row; it is there only when partitions were late.
    let sql = "SELECT least((SELECT min(lower) FROM outbox_partitions), (SELECT min(id) FROM outbox_default)) - 1";
    Ok(sqlx::query_scalar::<_, Option<i64>>(sql).fetch_one(pool).await?.unwrap_or(0))
}

/// Whether an event's aggregate is an account, by its name. It says itself whose it is.
fn is_of_account(row: &Row) -> bool {
    EventType::from_code(row.event).is_some_and(|event| event.aggregate_type() == "Account")
}

/// The transaction that an event's aggregate is.
fn aggregate(row: &Row) -> Option<Uuid> {
    Ulid::from_string(&row.aggregate).ok().map(|ulid| Uuid::from_u128(ulid.0)).or_else(|| Uuid::parse_str(&row.aggregate).ok())
}

/// What of an envelope tells whom an event concerns.
#[derive(Deserialize)]
struct Envelope {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    tenant: Option<Box<str>>,
    account_id: Option<Box<str>>,
    transaction_id: Option<Uuid>,
    reverses: Option<Uuid>,
    payer_account_id: Option<Box<str>>,
    payee_account_id: Option<Box<str>>,
    debit_account_id: Option<Box<str>>,
    credit_account_id: Option<Box<str>>,
    #[serde(default)]
    postings: Vec<Posting>,
}

#[derive(Deserialize)]
struct Posting {
    debit_account_id: Box<str>,
    credit_account_id: Box<str>,
}

/// An event of nobody known is for nobody.
fn event(row: Row, tenants: &HashMap<Uuid, String>) -> Option<LiveEvent> {
    let payload = serde_json::from_str::<Envelope>(&row.body).ok()?.payload;
    let (aggregate, tenant) = if is_of_account(&row) {
        (Uuid::nil(), payload.tenant.as_deref()?) // its opening is no transaction
    } else {
        let aggregate = aggregate(&row)?;
        (aggregate, tenants.get(&aggregate)?.as_str())
    };
    let mut accounts: SmallVec<[Box<str>; 2]> = SmallVec::new();
    let postings = payload.postings.into_iter().flat_map(|posting| [posting.debit_account_id, posting.credit_account_id]);
    let single = [payload.account_id, payload.payer_account_id, payload.payee_account_id, payload.debit_account_id, payload.credit_account_id];
    for account in single.into_iter().flatten().chain(postings) {
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    Some(LiveEvent {
        id: row.id,
        event: EventType::from_code(row.event)?,
        tenant: Arc::from(tenant),
        transaction: TransactionId(payload.transaction_id.unwrap_or(aggregate)),
        reverses: payload.reverses.map(TransactionId),
        accounts,
        body: row.body.into(),
    })
}
