//! Mails with an invoice or a credit note: asked for by callers, and by the batch that issues it.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};

use crate::protocol::record::OperatorAction;
use crate::store::operators::{self, Doing};
use crate::store::{StoreError, limited};

/// Mails that may be due when another one is asked for.
pub const DUE_MAX: i64 = 10_000;

/// A mail, and what became of it.
#[derive(Clone, Debug, FromRow)]
pub struct MailRow {
    pub id: String,
    pub document: i64,
    /// Empty: erased with the customer.
    pub recipient: String,
    state: i16,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
}

/// What became of a mail; the number in `mails.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    Due = 1,
    /// The mail server took it on.
    Sent = 2,
    /// It is not tried any more.
    Dead = 3,
}

impl MailState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

impl MailRow {
    pub fn state(&self) -> MailState {
        match self.state {
            1 => MailState::Due,
            2 => MailState::Sent,
            _ => MailState::Dead,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Requested {
    New(MailRow),
    /// There was one of this id.
    There(MailRow),
    /// As many are due as may be.
    Full,
}

const COLUMNS: &str = "id, document, recipient, state, attempts, created_at";

/// The mail of this id; `None`: there is none.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: &str) -> Result<Option<MailRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM mails WHERE tenant = $1 AND id = $2 AND document IS NOT NULL");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// Puts a mail with this document among those that are due, and records the operator's action, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was written, unless the answer was lost.
pub async fn request(
    pool: &PgPool,
    (id, document, recipient): (&str, i64, &str),
    by: &Doing<'_>,
    action: &OperatorAction,
) -> Result<Requested, StoreError> {
    let made = limited(async {
        let mut transaction = pool.begin().await?;
        let sql = format!(
            "INSERT INTO mails (tenant, id, kind, recipient, document) SELECT $1, $2, 2, $3, $4
               WHERE (SELECT count(*) FROM (SELECT FROM mails WHERE state = 1 LIMIT $5) due) < $5
               ON CONFLICT (tenant, id) DO NOTHING RETURNING {COLUMNS}"
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(by.tenant).bind(id).bind(recipient);
        let made: Option<MailRow> = query.bind(document).bind(DUE_MAX).fetch_optional(&mut *transaction).await?;
        if made.is_some() {
            operators::insert(&mut transaction, by, action).await?;
            transaction.commit().await?;
        }
        Ok(made)
    });
    if let Some(made) = made.await? {
        return Ok(Requested::New(made));
    }
    Ok(get(pool, by.tenant, id).await?.map_or(Requested::Full, Requested::There))
}
