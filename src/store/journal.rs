//! The writer's session: one call per batch, and what is read when the outcome of a batch is unknown.

mod call;
mod judge;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use self::call::By;
pub use self::judge::TakenFrom;
use super::{Counted, Database, StoreError, within};
use crate::protocol::account::{UsedKey, UsedKeys};
use crate::protocol::batch::Batch;
use crate::protocol::journal::{partition_of, status as row_status};
use crate::protocol::record::{KeyHash, RequestHash, TransactionId};

/// SQLSTATEs that our own functions raise.
pub mod code {
    /// A key of the batch is used, in an older partition; see [`super::is_key_used`].
    pub const KEY_USED: &str = "FL001";
    /// The epoch or the session is not the newest.
    pub const FENCED: &str = "FL002";
    /// The batch does not follow the last one.
    pub const NOT_SUCCESSOR: &str = "FL008";
    /// A record is past its cut-off.
    pub const TOO_LATE: &str = "FL004";
    /// A saga's fact is not the next one.
    pub const SAGA_WENT_ON: &str = "FL006";
    /// `unique_violation`: a key, or a transaction's own id, is there already.
    pub const UNIQUE: &str = "23505";
}

/// Whether a record failed by itself: less is left of its hold or its payment than it requests, or its saga has gone on
/// without it.
pub fn is_exceeded(error: &StoreError) -> bool {
    error.code() == Some(code::SAGA_WENT_ON) || is_taken(error)
}

/// Whether a batch failed because less is left of a hold or a payment than its records request.
pub fn is_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { constraint: Some(constraint), .. } if ["hold_taken", "refund_given"].contains(&constraint.as_str()))
}

/// Whether a batch failed because one of its keys is used, in whichever partition.
pub fn is_key_used(error: &StoreError) -> bool {
    let constraint = if let StoreError::Database { constraint, .. } = error { constraint.as_deref() } else { None };
    error.code() == Some(code::KEY_USED)
        || (error.code() == Some(code::UNIQUE)
            && constraint.is_some_and(|name| name.starts_with("journal_") && name.ends_with("_key")))
}

/// Whether a batch failed because it does not follow the last one: by its number, or because its places are taken.
pub fn is_out_of_order(error: &StoreError) -> bool {
    let constraint = if let StoreError::Database { constraint, .. } = error { constraint.as_deref() } else { None };
    error.code() == Some(code::NOT_SUCCESSOR)
        || constraint.is_some_and(|name| name.starts_with("journal_") && name.ends_with("_pkey"))
}

/// Whether a record failed by itself because the account that it would open exists.
pub fn is_opened(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { constraint: Some(constraint), .. } if constraint == "accounts_tenant_name_key")
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has a newer epoch.
    #[error("another process has taken over")]
    Fenced,
    /// It can be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One connection of the journal's session, under one epoch. Several of them write side by side.
pub struct WriterSession {
    connection: PgConnection,
    epoch: i64,
    session: i64,
    /// The same moment on this process's clock and on the database's.
    clock: (Instant, DateTime<Utc>),
    answer_timeout: Duration,
    _counted: Counted,
}

/// Where a new session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The number of the last committed batch.
    pub batch: i64,
    /// How many rows its partition has.
    pub rows: i64,
}

/// The key of the one row in `writers`, which is the fence.
const WRITER: i32 = 0;
/// How often the lock of an older session is waited for, half a second each time, before giving up for now.
const LOCK_TRIES_MAX: u32 = 6;

impl Committed {
    /// The same after this batch, which follows.
    pub fn and(self, batch: &Batch) -> Self {
        let rows = i64::try_from(batch.len()).unwrap_or(i64::MAX);
        Self {
            batch: batch.number,
            rows: rows + if partition_of(batch.number) == partition_of(self.batch) { self.rows } else { 0 },
        }
    }
}

impl WriterSession {
    /// Opens a session of so many connections: raises the session number of the writer. That waits for an older session
    /// that is committing, whose backends are ended if it does not let go. What an older session has not committed by
    /// then it never will.
    ///
    /// # Errors
    /// `Fenced`, or what the database answered.
    pub async fn open(
        database: &Database,
        (epoch, holder): (i64, &str),
        answer_timeout: Duration,
        connections: usize,
    ) -> Result<(Vec<Self>, Committed), OpenError> {
        let options = database.session(answer_timeout);
        let (mut opened, mut pids) = (Vec::new(), Vec::new());
        for _ in 0..connections.max(1) {
            let connect = async {
                let mut connection = PgConnection::connect_with(&options).await?;
                sqlx::raw_sql(
                    "SET lock_timeout = '500ms'; SET plan_cache_mode = force_generic_plan; SET synchronous_commit = on",
                )
                .execute(&mut connection)
                .await?;
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
                Ok::<_, sqlx::Error>((connection, pid))
            };
            let (connection, pid) = within(database.connect_timeout, connect).await?;
            opened.push(connection);
            pids.push(pid);
        }
        let mut tries = 0;
        let (session, batch, rows, older) = loop {
            let raised = sqlx::query_as::<_, (i64, i64, i64, Option<Vec<i32>>)>(
                "SELECT session, batch, rows, older FROM raise_session($1, $2, $3, $4)",
            );
            let raised = raised.bind(WRITER).bind(epoch).bind(holder).bind(&pids).fetch_optional(&mut opened[0]);
            match within(answer_timeout, raised).await {
                Ok(Some(session)) => break session,
                Ok(None) => return Err(OpenError::Fenced),
                Err(error) if error.code() == Some("55P03") && tries < LOCK_TRIES_MAX => {
                    tries += 1;
                    let end = sqlx::query(
                        "SELECT pg_terminate_backend(pid) FROM writers, unnest(pids) pid WHERE writer = $1 AND pid <> ALL ($2)",
                    );
                    within(answer_timeout, end.bind(WRITER).bind(&pids).execute(&mut opened[0])).await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        // What older ones still write cannot be committed any more, and would only be waited for: it has the same
        // places.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY ($1) AND pid <> ALL ($2) AND state = 'active' AND query LIKE 'SELECT commit_batch%'";
        let end = sqlx::query(end).bind(older.unwrap_or_default()).bind(&pids).execute(&mut opened[0]);
        within(answer_timeout, end).await?;
        let before = Instant::now();
        let now =
            within(answer_timeout, sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut opened[0])).await?;
        let mut sessions = Vec::with_capacity(opened.len());
        for mut connection in opened {
            within(answer_timeout, sqlx::raw_sql("SET lock_timeout = 0").execute(&mut connection)).await?;
            sessions.push(Self {
                connection,
                epoch,
                session,
                clock: (before, now),
                answer_timeout,
                _counted: database.counted(),
            });
        }
        Ok((sessions, Committed { batch, rows }))
    }

    /// A moment of this process's clock, on the database's clock.
    fn at_database(&self, instant: Instant) -> DateTime<Utc> {
        let ahead = |d: Duration| TimeDelta::from_std(d).unwrap_or(TimeDelta::zero());
        match instant.checked_duration_since(self.clock.0) {
            Some(later) => self.clock.1 + ahead(later),
            None => self.clock.1 - ahead(self.clock.0.duration_since(instant)),
        }
    }

    /// Commits the batch as a whole or not at all. `cutoff` is the earliest of its records. With `beside`, the batch
    /// before may still be being written, and is waited for.
    ///
    /// # Errors
    /// `Database`: nothing happened. `Lost`: it is not known, and this session must not be used again.
    pub async fn commit(&mut self, batch: &Batch, cutoff: Instant, beside: bool) -> Result<(), StoreError> {
        let cutoff = self.at_database(cutoff);
        let query = call::commit_batch(batch, By { epoch: self.epoch, session: self.session, cutoff, beside });
        within(self.answer_timeout, query.execute(&mut self.connection)).await?;
        Ok(())
    }

    /// Whether the partition after that of this batch exists.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn has_next_partition(&mut self, batch: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT FROM journal_partitions WHERE number = $1)";
        let query = sqlx::query_scalar(sql).bind(partition_of(batch) + 1);
        within(self.answer_timeout, query.fetch_one(&mut self.connection)).await
    }

    /// Which of these keys are used, as far as keys are remembered.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn used_keys(&mut self, keys: &[KeyHash]) -> Result<UsedKeys, StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = within(
            self.answer_timeout,
            sqlx::query_as::<_, UsedKeyRow>(USED_KEYS).bind(keys).fetch_all(&mut self.connection),
        )
        .await?;
        Ok(used_keys(rows))
    }

    /// The request's hash and the time of the transaction of this id, if there is one. It finds a record whose key is
    /// long forgotten, since its id stays unique.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn transaction(&mut self, id: TransactionId) -> Result<Option<(RequestHash, DateTime<Utc>)>, StoreError> {
        let query = sqlx::query_as::<_, (Uuid, DateTime<Utc>)>(
            "SELECT j.request, j.created_at FROM journal_at((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$1::uuid]) p)) j",
        )
        .bind(id.0);
        let row = within(self.answer_timeout, query.fetch_optional(&mut self.connection)).await?;
        Ok(row.map(|(request, created_at)| (RequestHash(request), created_at)))
    }

    /// The present by the database's clock, as a moment of this process's clock according to their last comparison.
    /// Compares the two clocks anew.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn now(&mut self) -> Result<Instant, StoreError> {
        let before = Instant::now();
        let now: DateTime<Utc> =
            within(self.answer_timeout, sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut self.connection))
                .await?;
        let since = (now - self.clock.1).to_std().unwrap_or_default();
        let by_the_old = self.clock.0.checked_add(since).unwrap_or(before);
        self.clock = (before, now); // one of the two was set, or stood still: the next batch goes by what they say now
        Ok(by_the_old)
    }
}

pub(super) type UsedKeyRow = (Uuid, Uuid, Uuid, i16, Option<DateTime<Utc>>);

pub(super) const USED_KEYS: &str = "SELECT key, transaction, request, status, created_at FROM used_keys($1)";

pub(super) fn used_keys(rows: Vec<UsedKeyRow>) -> UsedKeys {
    let used = |(key, transaction, request, status, created_at): UsedKeyRow| {
        let used = UsedKey {
            key: KeyHash(key),
            transaction: TransactionId(transaction),
            request: RequestHash(request),
            retired: status == row_status::RETIRED,
            created_at: created_at.unwrap_or_default(),
        };
        (used.key, used)
    };
    rows.into_iter().map(used).collect()
}
