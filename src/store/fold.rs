//! The fold in SQL, and the accounts in quarantine.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgExecutor;
use sqlx::{Connection, FromRow, PgConnection, PgPool};

use super::{Database, StoreError, limited, within};

/// The result of folding one part of the journal.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Folded {
    /// Balances include every row up to this place.
    pub place: i64,
    /// The last place that the journal has.
    pub tip: i64,
    /// How many accounts it changed.
    pub changed: i64,
    /// How many accounts it put into quarantine.
    pub suspects: i64,
    /// Numbers of all accounts that are in quarantine now.
    pub quarantined: Vec<i64>,
}

/// An account that is, or was, in quarantine.
#[derive(Clone, Debug, FromRow)]
pub struct Quarantine {
    /// The account's number in the database.
    pub account: i64,
    /// `None`: there is no such account.
    pub tenant: Option<String>,
    /// The id that callers use; `None`: there is no such account.
    pub name: Option<String>,
    /// Rows after this place are suspect.
    pub first_seq: i64,
    pub found_at: DateTime<Utc>,
    /// What disagrees.
    pub reason: String,
    /// What the postings add up to.
    pub expected: String,
    /// What memory had written.
    pub found: String,
    /// `None`: it is still in quarantine.
    pub released_at: Option<DateTime<Utc>>,
    pub released_by: Option<String>,
    /// In the operator's own words.
    pub why: Option<String>,
}

/// The auditor's connection. A crash may lose what it committed, but only as a whole: it is folded again.
#[derive(Debug)]
pub struct FoldSession {
    connection: PgConnection,
    answer_timeout: Duration,
}

impl FoldSession {
    /// Connects. Statements without an answer for `answer_timeout` fail.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(database: &Database, answer_timeout: Duration) -> Result<Self, StoreError> {
        let options = database.session(answer_timeout);
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::raw_sql("SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off")
                .execute(&mut connection)
                .await?;
            Ok::<_, sqlx::Error>(connection)
        };
        Ok(Self { connection: within(database.connect_timeout, connect).await?, answer_timeout })
    }

    /// Folds the next part of the journal, of about `rows_max` rows.
    ///
    /// # Errors
    /// Any failure of the statement: then nothing was folded, or it is not known.
    pub async fn fold(&mut self, rows_max: i64) -> Result<Folded, StoreError> {
        let fold =
            sqlx::query_as("SELECT place, tip, changed, suspects, quarantined FROM fold_journal($1)").bind(rows_max);
        within(self.answer_timeout, fold.fetch_one(&mut self.connection)).await
    }
}

/// The place up to which everything is folded.
///
/// # Errors
/// Any failure of the statement.
pub async fn folded(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT seq FROM folded").fetch_one(db).await
}

/// Rows of an account that are suspect: those after one place, and up to another if the account was released.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Suspect {
    pub account: i64,
    /// Rows after this place.
    pub first_seq: i64,
    /// Rows up to this place; `None`: the account is still in quarantine.
    pub last_seq: Option<i64>,
}

/// Suspect rows that may lie after this place. Whatever the fold found up to a place is known as soon as that place is
/// folded.
///
/// # Errors
/// Any failure of the statement.
pub async fn suspects(db: impl PgExecutor<'_>, after: i64) -> Result<Vec<Suspect>, sqlx::Error> {
    sqlx::query_as("SELECT account, first_seq, last_seq FROM quarantine WHERE last_seq IS NULL OR last_seq > $1")
        .bind(after)
        .fetch_all(db)
        .await
}

/// At most `rows_max` accounts in quarantine, in the order in which they were found; with `released_too` also those
/// that were released.
///
/// # Errors
/// Any failure of the statement.
pub async fn quarantines(pool: &PgPool, released_too: bool, rows_max: i64) -> Result<Vec<Quarantine>, StoreError> {
    let sql = "SELECT q.account, a.tenant, a.name, q.first_seq, q.found_at, q.reason, q.expected, q.found, q.released_at, q.released_by, q.why \
         FROM quarantine q LEFT JOIN accounts a ON a.id = q.account WHERE $1 OR q.released_at IS NULL ORDER BY q.id LIMIT $2";
    limited(async { Ok(sqlx::query_as(sql).bind(released_too).bind(rows_max).fetch_all(pool).await?) }).await
}
