//! Sagas: a summary by which they and their facts are found, and operators' requests to them. Facts are rows of the
//! journal.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::protocol::record::TransactionId;
use crate::saga::{Fact, Resolution, Workflow};

/// A saga as it was written.
#[derive(Clone, Debug)]
pub struct SagaRow {
    /// The transaction that started it.
    pub id: TransactionId,
    /// The place of that transaction.
    pub seq: i64,
    pub tenant: String,
    /// Of the request that started it.
    pub correlation: Option<String>,
    /// In order, each with its time.
    pub facts: Vec<(Fact, DateTime<Utc>)>,
    /// An operator's request to it that is no fact yet.
    pub asked: Option<Asked>,
}

/// An operator's request to a saga that is stuck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request's own id.
    pub id: Uuid,
    /// How the step stands; `None`: it is to be tried again.
    pub how: Option<Resolution>,
    /// The operator's name.
    pub by: String,
    /// In the operator's own words.
    pub reason: String,
    /// The operator's IP address; `None`: it came over the database, by a command.
    pub address: Option<String>,
    pub correlation: Option<String>,
}

impl Asked {
    /// The fact that the saga gets from it.
    pub fn fact(&self) -> Fact {
        let (by, reason) = (self.by.clone(), self.reason.clone());
        match self.how {
            None => Fact::Retried { by, reason },
            Some(how) => Fact::Resolved { how, by, reason },
        }
    }
}

#[derive(FromRow)]
struct Head {
    id: Uuid,
    seq: i64,
    tenant: String,
    correlation: Option<String>,
    facts: Vec<i64>,
    asked: Option<Json<Asked>>,
}

#[derive(FromRow)]
struct FactsRow {
    seq: i64,
    at: DateTime<Utc>,
    facts: Json<Vec<Fact>>,
}

const HEAD: &str = "SELECT id, seq, tenant, correlation, facts, asked FROM sagas";

/// One saga, of this tenant or, with `None`, of any.
///
/// # Errors
/// Any failure of the statements.
pub async fn get(pool: &PgPool, tenant: Option<&str>, id: TransactionId) -> Result<Option<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).bind(tenant);
    Ok(limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await?.pop())
}

/// At most `count` sagas of a tenant and of these workflows whose places are below `below`, the newest first.
///
/// # Errors
/// Any failure of the statements.
pub async fn list(
    pool: &PgPool,
    tenant: &str,
    workflows: &[Workflow],
    below: i64,
    count: i64,
) -> Result<Vec<SagaRow>, StoreError> {
    let codes: Vec<i16> = workflows.iter().map(|workflow| workflow.code()).collect();
    let sql = format!("{HEAD} WHERE tenant = $1 AND workflow = ANY($2) AND seq < $3 ORDER BY seq DESC LIMIT $4");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(codes).bind(below).bind(count);
    limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await
}

/// The first saga of a tenant with this correlation id.
///
/// # Errors
/// Any failure of the statements.
pub async fn first_of_correlation(
    pool: &PgPool,
    tenant: &str,
    correlation: &str,
) -> Result<Option<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE tenant = $1 AND correlation = $2 ORDER BY seq LIMIT 1");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(correlation);
    Ok(limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await?.pop())
}

/// At most `count` sagas that are stuck, of this tenant or, with `None`, of any; those stuck for longest first.
///
/// # Errors
/// Any failure of the statements.
pub async fn stuck(pool: &PgPool, tenant: Option<&str>, count: i64) -> Result<Vec<SagaRow>, StoreError> {
    let sql = format!("{HEAD} WHERE status = 5 AND ($1::text IS NULL OR tenant = $1) ORDER BY updated_at, id LIMIT $2");
    let heads = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(count);
    limited(async { with_facts(pool, heads.fetch_all(pool).await?).await }).await
}

/// What a payout's hold still holds, in minor units; `None`: it has no hold.
///
/// # Errors
/// Any failure of the statement.
pub async fn held(pool: &PgPool, id: TransactionId) -> Result<Option<i128>, StoreError> {
    let query =
        sqlx::query_scalar::<_, Numeric>("SELECT amount - captured - voided FROM holds WHERE id = $1").bind(id.0);
    Ok(limited(async { Ok(query.fetch_optional(pool).await?) }).await?.map(|left| left.0))
}

/// How many sagas of all tenants are stuck.
///
/// # Errors
/// Any failure of the statement.
pub async fn count_stuck(pool: &PgPool) -> Result<i64, StoreError> {
    limited(async { Ok(sqlx::query_scalar("SELECT count(*) FROM sagas WHERE status = 5").fetch_one(pool).await?) })
        .await
}

async fn with_facts(pool: &PgPool, heads: Vec<Head>) -> Result<Vec<SagaRow>, StoreError> {
    let places: Vec<i64> = heads.iter().flat_map(|head| &head.facts).copied().collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as(
        "SELECT seq, created_at AS at, body -> 'facts' AS facts FROM journal_at($1) WHERE body ? 'facts'",
    )
    .bind(&places);
    let mut rows: HashMap<i64, FactsRow> =
        rows.fetch_all(pool).await?.into_iter().map(|row: FactsRow| (row.seq, row)).collect();
    let row = |head: Head| {
        let written = head.facts.iter().filter_map(|place| rows.remove(place)); // the second of a row comes with its first
        let facts = written.flat_map(|row| row.facts.0.into_iter().map(move |fact| (fact, row.at))).collect();
        SagaRow {
            id: TransactionId(head.id),
            seq: head.seq,
            tenant: head.tenant,
            correlation: head.correlation,
            facts,
            asked: head.asked.map(|asked| asked.0),
        }
    };
    Ok(heads.into_iter().map(row).collect())
}

/// At most `count` sagas whose time has come, in order of that time, without these.
///
/// # Errors
/// Any failure of the statement.
pub async fn due(pool: &PgPool, without: &[Uuid], count: i64) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM sagas WHERE wake_at IS NOT NULL AND wake_at <= statement_timestamp() AND id <> ALL($1) ORDER BY wake_at, id LIMIT $2";
    limited(async { Ok(sqlx::query_scalar(sql).bind(without).bind(count).fetch_all(pool).await?) }).await
}

/// Milliseconds until the time of the next saga comes, by the database's clock, without these; `None`: no other waits
/// for a time.
///
/// # Errors
/// Any failure of the statement.
pub async fn next_due(pool: &PgPool, without: &[Uuid]) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT (extract(epoch FROM wake_at - clock_timestamp()) * 1000)::bigint FROM sagas WHERE wake_at IS NOT NULL AND id <> ALL($1) ORDER BY wake_at, id LIMIT 1";
    limited(async { Ok(sqlx::query_scalar(sql).bind(without).fetch_optional(pool).await?) }).await
}

/// Leaves an operator's request to a saga that is stuck and has `facts` facts; the leader makes it a fact. False: the
/// saga is not stuck, has more facts, or another request waits.
///
/// # Errors
/// Any failure of the statement; after a lost answer it is not known.
pub async fn ask(pool: &PgPool, id: TransactionId, facts: usize, asked: &Asked) -> Result<bool, StoreError> {
    let sql = "UPDATE sagas SET asked = $3, wake_at = clock_timestamp() WHERE id = $1 AND cardinality(facts) = $2 AND status = 5 AND asked IS NULL";
    let query = sqlx::query(sql).bind(id.0).bind(i32::try_from(facts).unwrap_or(i32::MAX)).bind(Json(asked));
    Ok(limited(async { Ok(query.execute(pool).await?) }).await?.rows_affected() == 1)
}

/// Takes back an operator's request, which then never becomes a fact. False: it is one already, or was taken back
/// before.
///
/// # Errors
/// Any failure of the statement; after a lost answer it is not known.
pub async fn withdraw(pool: &PgPool, id: TransactionId, asked: Uuid) -> Result<bool, StoreError> {
    let query = sqlx::query("UPDATE sagas SET asked = NULL, wake_at = NULL WHERE id = $1 AND asked ->> 'id' = $2")
        .bind(id.0)
        .bind(asked.to_string());
    Ok(limited(async { Ok(query.execute(pool).await?) }).await?.rows_affected() == 1)
}

/// Moves a saga's time to `ms` milliseconds from now, by the database's clock, if it has no more than `facts` facts.
/// This is no fact: nothing happened.
///
/// # Errors
/// Any failure of the statement.
pub async fn snooze(pool: &PgPool, id: TransactionId, facts: i32, ms: i64) -> Result<(), StoreError> {
    let sql = "UPDATE sagas SET wake_at = clock_timestamp() + $3 * interval '1 millisecond' WHERE id = $1 AND cardinality(facts) = $2 AND wake_at IS NOT NULL";
    let query = sqlx::query(sql).bind(id.0).bind(facts).bind(ms);
    limited(async { Ok(query.execute(pool).await?) }).await.map(drop)
}
