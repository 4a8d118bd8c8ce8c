//! Sagas: their facts, appended by number, and the summary by which they are found. Who writes fact n first is right.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::journal::code;
use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::record::{FactRow, OperatorAction, TransactionId};
use crate::saga::Fact;

/// A saga as it was written.
#[derive(Clone, Debug)]
pub struct SagaRow {
    /// The transaction that started it.
    pub id: TransactionId,
    /// Whose it is.
    pub tenant: String,
    /// The correlation id of whoever started it.
    pub correlation: Option<String>,
    /// In order, each with its time.
    pub facts: Vec<(Fact, DateTime<Utc>)>,
}

#[derive(FromRow)]
struct Head {
    id: Uuid,
    tenant: String,
    correlation: Option<String>,
}

#[derive(FromRow)]
struct Event {
    saga: Uuid,
    body: Json<Fact>,
    at: DateTime<Utc>,
}

const HEAD: &str = "SELECT id, tenant, correlation FROM sagas";

/// One saga; of a tenant, or whosever it is.
///
/// # Errors
/// Any failure of the statements.
pub async fn get(pool: &PgPool, tenant: Option<&str>, id: TransactionId) -> Result<Option<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).bind(tenant);
    Ok(limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await?.pop())
}

/// A tenant's sagas of these workflows, the newest first, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn list(pool: &PgPool, tenant: &str, workflows: &[i16], count: i64) -> Result<Vec<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE tenant = $1 AND workflow = ANY($2) ORDER BY id DESC LIMIT $3");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(workflows).bind(count);
    limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await
}

/// A tenant's sagas with this correlation id, the newest first, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn by_correlation(pool: &PgPool, tenant: &str, correlation: &str, count: i64) -> Result<Vec<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE tenant = $1 AND correlation = $2 ORDER BY id DESC LIMIT $3");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(correlation).bind(count);
    limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await
}

/// Sagas that are stuck, of a tenant or of all, those that have been for longest first, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn stuck(pool: &PgPool, tenant: Option<&str>, count: i64) -> Result<Vec<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE status = 5 AND ($1::text IS NULL OR tenant = $1) ORDER BY updated_at, id LIMIT $2");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(count);
    limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await
}

/// What the hold of a payout still holds, in minor units; none if it has none.
///
/// # Errors
/// Any failure of the statement.
pub async fn held(pool: &PgPool, id: TransactionId) -> Result<Option<i128>, StoreError> {
    let query = sqlx::query_scalar::<_, Numeric>("SELECT amount - captured - voided FROM holds WHERE id = $1").bind(id.0);
    Ok(limited(async { Ok(query.fetch_optional(pool).await?) }).await?.map(|left| left.0))
}

/// How many are stuck.
///
/// # Errors
/// Any failure of the statement.
pub async fn count_stuck(pool: &PgPool) -> Result<i64, StoreError> {
    limited(async { Ok(sqlx::query_scalar("SELECT count(*) FROM sagas WHERE status = 5").fetch_one(pool).await?) }).await
}

async fn with_facts(pool: &PgPool, heads: Vec<Head>) -> Result<Vec<SagaRow>, StoreError> {
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = heads.iter().map(|head| head.id).collect();
    let events = sqlx::query_as("SELECT saga, body, at FROM saga_events WHERE saga = ANY($1) ORDER BY saga, n").bind(&ids);
    let mut facts: HashMap<Uuid, Vec<(Fact, DateTime<Utc>)>> = HashMap::with_capacity(heads.len());
    for Event { saga, body: Json(fact), at } in events.fetch_all(pool).await? {
        facts.entry(saga).or_default().push((fact, at));
    }
    let row = |head: Head| {
        let facts = facts.remove(&head.id).unwrap_or_default();
        SagaRow { id: TransactionId(head.id), tenant: head.tenant, correlation: head.correlation, facts }
    };
    Ok(heads.into_iter().map(row).collect())
}

/// Sagas whose time has come, in order of time, up to `count`, without these.
///
/// # Errors
/// Any failure of the statement.
pub async fn due(pool: &PgPool, without: &[Uuid], count: i64) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM sagas WHERE wake_at IS NOT NULL AND wake_at <= statement_timestamp() AND id <> ALL($1) ORDER BY wake_at, id LIMIT $2";
    limited(async { Ok(sqlx::query_scalar(sql).bind(without).bind(count).fetch_all(pool).await?) }).await
}

/// How long until the next saga's time comes, in milliseconds, by the database's clock; `None` when none of the others waits for a time.
///
/// # Errors
/// Any failure of the statement.
pub async fn next_due(pool: &PgPool, without: &[Uuid]) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT (extract(epoch FROM wake_at - clock_timestamp()) * 1000)::bigint FROM sagas WHERE wake_at IS NOT NULL AND id <> ALL($1) ORDER BY wake_at, id LIMIT 1";
    limited(async { Ok(sqlx::query_scalar(sql).bind(without).fetch_optional(pool).await?) }).await
}

/// Appends a fact; false: somebody else wrote that fact, or one after it.
///
/// # Errors
/// Any failure of the statement; after a lost answer nobody knows.
pub async fn append(pool: &PgPool, fact: &FactRow, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let query = sqlx::query("SELECT append_saga_facts($1)").bind(Json(json!([fact_json(fact, at)?])));
    went_on(limited(async { Ok(query.execute(pool).await?) }).await.map(drop))
}

/// Appends a fact that an operator makes, and keeps who made it and why; false as for [`append`].
///
/// # Errors
/// Any failure of the statement; after a lost answer nobody knows.
pub async fn append_by_operator(
    pool: &PgPool,
    tenant: &str,
    fact: &FactRow,
    at: DateTime<Utc>,
    action: &OperatorAction,
    correlation: Option<&str>,
) -> Result<bool, StoreError> {
    let status = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let action = json!({
        "id": Uuid::now_v7(), "tenant": tenant, "at": at, "actor": action.actor, "action": action.action, "subject": action.subject,
        "reason": action.reason, "before": status(&action.before), "after": status(&action.after), "correlation": correlation,
    });
    let query = sqlx::query("SELECT apply_extras($1)").bind(Json(json!({ "facts": [fact_json(fact, at)?], "actions": [action] })));
    went_on(limited(async { Ok(query.execute(pool).await?) }).await.map(drop))
}

/// Moves a saga's time to so many milliseconds from now by the database's clock, if it has no more facts than these. That is no fact: nothing
/// happened.
///
/// # Errors
/// Any failure of the statement.
pub async fn snooze(pool: &PgPool, id: TransactionId, facts: i32, ms: i64) -> Result<(), StoreError> {
    let sql = "UPDATE sagas SET wake_at = clock_timestamp() + $3 * interval '1 millisecond' WHERE id = $1 AND events = $2 AND wake_at IS NOT NULL";
    let query = sqlx::query(sql).bind(id.0).bind(facts).bind(ms);
    limited(async { Ok(query.execute(pool).await?) }).await.map(drop)
}

fn fact_json(fact: &FactRow, at: DateTime<Utc>) -> Result<Value, StoreError> {
    let body: Value = serde_json::from_str(&fact.body).map_err(|error| StoreError::Unreadable(format!("a fact is no JSON: {error}")))?;
    Ok(json!({ "saga": fact.saga.0, "n": fact.n, "body": body, "at": at, "status": fact.status, "wake_at": fact.wake_at }))
}

fn went_on(result: Result<(), StoreError>) -> Result<bool, StoreError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Some(code::SAGA_WENT_ON) => Ok(false),
        Err(error) => Err(error),
    }
}
