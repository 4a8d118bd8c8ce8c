//! Who did what: operators' actions, written with what they changed, and listed.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder};
use uuid::Uuid;

use super::{StoreError, limited};
use crate::protocol::record::{Operator, OperatorAction, TransactionId, now_micros};

/// Who makes a change that is no record of the journal, and what links it to its cause.
#[derive(Clone, Copy, Debug)]
pub struct Doing<'a> {
    /// Whose operator it is.
    pub tenant: &'a str,
    /// Who, and why.
    pub by: &'a Operator,
    /// The request's correlation id.
    pub correlation: Option<&'a str>,
}

/// An action as it is kept.
#[derive(Clone, Debug, FromRow)]
pub struct ActionRow {
    /// Its id; of a change of an account the change's transaction.
    pub id: Uuid,
    /// Whose operator it was.
    pub tenant: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What, such as `account.limits`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
    /// How it was; a JSON object.
    pub before: Option<String>,
    /// How it is; a JSON object.
    pub after: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
}

/// Which actions are wanted; all of it holds together.
#[derive(Clone, Debug, Default)]
pub struct ActionFilter {
    /// Whose.
    pub tenant: String,
    /// Done to this.
    pub subject: Option<String>,
    /// Of this name.
    pub action: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// Writes an action in the transaction of what it changes.
///
/// # Errors
/// Any failure of the statement.
pub async fn insert(connection: &mut PgConnection, doing: &Doing<'_>, action: &OperatorAction) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO operator_actions (id, tenant, at, actor, action, subject, reason, before, after, correlation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10)",
    )
    .bind(TransactionId::draw().0)
    .bind(doing.tenant)
    .bind(now_micros())
    .bind(&action.actor)
    .bind(action.action)
    .bind(&action.subject)
    .bind(&action.reason)
    .bind(&action.before)
    .bind(&action.after)
    .bind(doing.correlation)
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to `count` actions before this place, or the newest, newest first. Each filter has an index that ends with the place.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, filter: &ActionFilter, before: Option<(DateTime<Utc>, Uuid)>, count: i64) -> Result<Vec<ActionRow>, StoreError> {
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
