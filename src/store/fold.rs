//! The fold in SQL: balances brought up to a place of the journal, and the accounts about which memory and the database disagreed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgExecutor;
use sqlx::{Connection, FromRow, PgConnection, PgPool};

use super::{Database, StoreError, limited, within};

/// What one part of the fold came to.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Folded {
    /// Balances hold all that stands up to here.
    pub place: i64,
    /// The last place there is.
    pub tip: i64,
    /// Accounts that it changed.
    pub changed: i64,
    /// Accounts that it put into quarantine.
    pub suspects: i64,
    /// Accounts that are in quarantine.
    pub quarantined: Vec<i64>,
}

/// An account that is, or was, in quarantine.
#[derive(Clone, Debug, FromRow)]
pub struct Quarantine {
    /// The account's number.
    pub account: i64,
    /// Whose it is; none: there is no such account.
    pub tenant: Option<String>,
    /// As the caller calls it.
    pub name: Option<String>,
    /// Rows behind this place are suspect.
    pub first_seq: i64,
    /// When it was found.
    pub found_at: DateTime<Utc>,
    /// What disagrees.
    pub reason: String,
    /// What the amounts come to.
    pub expected: String,
    /// What memory had written.
    pub found: String,
    /// When it was released.
    pub released_at: Option<DateTime<Utc>>,
    /// By whom.
    pub released_by: Option<String>,
    /// Why, in their words.
    pub why: Option<String>,
}

/// The auditor's connection. What it commits may be lost with a crash, whole: it is folded again.
#[derive(Debug)]
pub struct FoldSession {
    connection: PgConnection,
    answer_timeout: Duration,
}

impl FoldSession {
    /// Connects.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(database: &Database, answer_timeout: Duration) -> Result<Self, StoreError> {
        let options = database.session(answer_timeout);
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::raw_sql("SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off").execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        Ok(Self { connection: within(database.connect_timeout, connect).await?, answer_timeout })
    }

    /// Folds the next part of the journal, about so many rows.
    ///
    /// # Errors
    /// Any failure of the statement: then nothing was folded, or it is not known.
    pub async fn fold(&mut self, rows_max: i64) -> Result<Folded, StoreError> {
        let fold = sqlx::query_as("SELECT place, tip, changed, suspects, quarantined FROM fold_journal($1)").bind(rows_max);
        within(self.answer_timeout, fold.fetch_one(&mut self.connection)).await
    }
}

/// Up to here everything is folded.
///
/// # Errors
/// Any failure of the statement.
pub async fn folded(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT seq FROM folded").fetch_one(db).await
}

/// Rows of an account that are suspect: behind a place, and up to another if they were released.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Suspect {
    /// Whose.
    pub account: i64,
    /// Behind this place.
    pub first_seq: i64,
    /// Up to here; none: all.
    pub last_seq: Option<i64>,
}

/// Suspect rows that may lie behind a place. What was folded up to a place is known at it.
///
/// # Errors
/// Any failure of the statement.
pub async fn suspects(db: impl PgExecutor<'_>, after: i64) -> Result<Vec<Suspect>, sqlx::Error> {
    sqlx::query_as("SELECT account, first_seq, last_seq FROM quarantine WHERE last_seq IS NULL OR last_seq > $1").bind(after).fetch_all(db).await
}

/// Accounts in quarantine, those that were found first first; those that were released too, if asked for.
///
/// # Errors
/// Any failure of the statement.
pub async fn quarantines(pool: &PgPool, released_too: bool, rows_max: i64) -> Result<Vec<Quarantine>, StoreError> {
    let sql = "SELECT q.account, a.tenant, a.name, q.first_seq, q.found_at, q.reason, q.expected, q.found, q.released_at, q.released_by, q.why \
         FROM quarantine q LEFT JOIN accounts a ON a.id = q.account WHERE $1 OR q.released_at IS NULL ORDER BY q.id LIMIT $2";
    limited(async { Ok(sqlx::query_as(sql).bind(released_too).bind(rows_max).fetch_all(pool).await?) }).await
}
