//! Operators' actions: written together with what they change, and listed.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use uuid::Uuid;

use super::{StoreError, limited};
use crate::protocol::record::{Operator, OperatorAction, TransactionId, now_micros};

/// Who makes a change that is not a record of the journal, and the request that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Doing<'a> {
    pub tenant: &'a str,
    pub by: &'a Operator,
    pub correlation: Option<&'a str>,
}

#[derive(Clone, Debug, FromRow)]
pub struct ActionRow {
    /// Of a change of an account, the id of its transaction.
    pub id: Uuid,
    pub tenant: String,
    pub at: DateTime<Utc>,
    /// The name of an API key or a certificate.
    pub actor: String,
    /// Such as `account.limits`.
    pub action: String,
    /// What was changed: the id of an account, the code of a currency, the id of a saga.
    pub subject: String,
    /// In the operator's own words; may be empty.
    pub reason: String,
    /// A JSON object.
    pub before: Option<String>,
    /// A JSON object.
    pub after: Option<String>,
    pub correlation: Option<String>,
}

/// Which actions to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct ActionFilter {
    pub tenant: String,
    pub subject: Option<String>,
    pub action: Option<String>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

/// Writes an action, in the same transaction as what it changes.
///
/// # Errors
/// Any failure of the statement.
pub async fn insert(
    connection: &mut PgConnection,
    doing: &Doing<'_>,
    action: &OperatorAction,
) -> Result<(), StoreError> {
    write(connection, (doing.tenant, doing.correlation), action).await
}

/// Writes an action that changed nothing.
///
/// # Errors
/// Any failure of the statement.
pub async fn note(pool: &PgPool, tenant: &str, action: &OperatorAction) -> Result<(), StoreError> {
    write(&mut *pool.acquire().await?, (tenant, None), action).await
}

async fn write(
    connection: &mut PgConnection,
    (tenant, correlation): (&str, Option<&str>),
    action: &OperatorAction,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO operator_actions (id, tenant, at, actor, action, subject, reason, before, after, correlation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10)",
    )
    .bind(TransactionId::draw().0)
    .bind(tenant)
    .bind(now_micros())
    .bind(&action.actor)
    .bind(action.action)
    .bind(&action.subject)
    .bind(&action.reason)
    .bind(&action.before)
    .bind(&action.after)
    .bind(correlation)
    .execute(connection)
    .await?;
    Ok(())
}

/// At most `count` actions, newest first, before this place; `None`: from the newest. Each filter has an index that
/// ends with the place.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    filter: &ActionFilter,
    before: Option<(DateTime<Utc>, Uuid)>,
    count: i64,
) -> Result<Vec<ActionRow>, StoreError> {
    let mut sql = QueryBuilder::new(
        "SELECT id, tenant, at, actor, action, subject, reason, before::text AS before, after::text AS after, correlation \
         FROM operator_actions WHERE tenant = ",
    );
    sql.push_bind(&filter.tenant);
    if let Some(subject) = &filter.subject {
        sql.push(" AND subject = ").push_bind(subject);
    }
    if let Some(action) = &filter.action {
        sql.push(" AND action = ").push_bind(action);
    }
    if let Some(from) = filter.from {
        sql.push(" AND at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND at < ").push_bind(to);
    }
    if let Some((at, id)) = before {
        sql.push(" AND (at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
    }
    sql.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(count);
    limited(async { Ok(sql.build_query_as().fetch_all(pool).await?) }).await
}
