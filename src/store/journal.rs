//! A lane's own session: the one call per batch, and what is asked when its outcome is unknown.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::numeric::{Numeric, numerics};
use super::{Counted, Database, StoreError, within};
use crate::ledger::{Status, Totals};
use crate::protocol::account::{Posted, UsedKey, UsedKeys};
use crate::protocol::batch::Batch;
use crate::protocol::record::{AccountId, KeyHash, RequestHash, TransactionId};

/// SQLSTATEs of our own functions.
pub mod code {
    /// A key of the batch is used, in the older generation; see [`super::is_key_used`].
    pub const KEY_USED: &str = "FL001";
    /// Epoch or session is not the lane's.
    pub const FENCED: &str = "FL002";
    /// A record is past its cut-off.
    pub const TOO_LATE: &str = "FL004";
    /// A saga's fact is not the next one.
    pub const SAGA_WENT_ON: &str = "FL006";
    /// unique_violation: a key, or a transaction's own id.
    pub const UNIQUE: &str = "23505";
}

/// Whether a record failed alone because less is left of its hold or its payment than it asks for, or its workflow has gone on without it. What is held on its account may run out
/// before the hold is looked at.
pub fn is_exceeded(error: &StoreError) -> bool {
    error.code() == Some(code::SAGA_WENT_ON)
        || matches!(error, StoreError::Database { constraint: Some(constraint), .. } if ["hold_taken", "refund_given", "refunded_given_check", "balances_held_check"].contains(&constraint.as_str()))
}

/// Whether a batch failed because one of its keys is used, in whichever generation.
pub fn is_key_used(error: &StoreError) -> bool {
    let constraint = if let StoreError::Database { constraint, .. } = error { constraint.as_deref() } else { None };
    error.code() == Some(code::KEY_USED) || (error.code() == Some(code::UNIQUE) && matches!(constraint, Some("keys_even_pkey" | "keys_odd_pkey")))
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The epoch is no longer ours.
    #[error("another process has taken over")]
    Fenced,
    /// Try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The session of one lane under one epoch. Opening it shuts out the lane's older sessions and waits until their last batch is over.
pub struct LaneSession {
    connection: PgConnection,
    lane: i32,
    epoch: i64,
    session: i64,
    /// One moment on both clocks.
    clock: (Instant, DateTime<Utc>),
    answer_timeout: Duration,
    _counted: Counted,
}

/// How often the old backend's lock is waited for, half a second each, before giving up for now.
const LOCK_TRIES_MAX: u32 = 6;

impl LaneSession {
    /// Opens a session: raises the lane's session number, which waits out the old backend (ended by force if it holds on).
    ///
    /// # Errors
    /// `Fenced`, or what the database said.
    pub async fn open(database: &Database, lane: i32, epoch: i64, answer_timeout: Duration) -> Result<Self, OpenError> {
        let options = database.session(answer_timeout);
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::raw_sql("SET lock_timeout = '500ms'; SET plan_cache_mode = force_generic_plan; SET synchronous_commit = on")
                .execute(&mut connection)
                .await?;
            Ok::<_, sqlx::Error>(connection)
        };
        let mut connection = within(database.connect_timeout, connect).await?;
        let mut tries = 0;
        let session = loop {
            let raised =
                sqlx::query_scalar::<_, i64>("SELECT session FROM raise_session($1, $2)").bind(lane).bind(epoch).fetch_optional(&mut connection);
            match within(answer_timeout, raised).await {
                Ok(Some(session)) => break session,
                Ok(None) => return Err(OpenError::Fenced),
                Err(error) if error.code() == Some("55P03") && tries < LOCK_TRIES_MAX => {
                    tries += 1;
                    let end = sqlx::query("SELECT pg_terminate_backend(pid) FROM lanes WHERE lane = $1 AND pid <> pg_backend_pid()").bind(lane);
                    within(answer_timeout, end.execute(&mut connection)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let before = Instant::now();
        let now = within(answer_timeout, sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut connection)).await?;
        within(answer_timeout, sqlx::raw_sql("SET lock_timeout = 0").execute(&mut connection)).await?;
        Ok(Self { connection, lane, epoch, session, clock: (before, now), answer_timeout, _counted: database.counted() })
    }

    /// A moment of this process's clock on the database's.
    fn at_database(&self, instant: Instant) -> DateTime<Utc> {
        let ahead = |d: Duration| TimeDelta::from_std(d).unwrap_or(TimeDelta::zero());
        match instant.checked_duration_since(self.clock.0) {
            Some(later) => self.clock.1 + ahead(later),
            None => self.clock.1 - ahead(self.clock.0.duration_since(instant)),
        }
    }

    /// Commits the batch whole or not at all, and answers each account's totals after it. `cutoff`: the earliest of the batch.
    ///
    /// # Errors
    /// `Database`: nothing happened. `Lost`: nobody knows, and this session must not be used again.
    pub async fn commit(&mut self, batch: &Batch, cutoff: Instant) -> Result<Vec<(AccountId, Totals)>, StoreError> {
        let changes = (!batch.changes.is_empty()).then(|| {
            let change = |c: &crate::protocol::record::AccountChange| {
                json!({"account": c.account.0, "status": status_code(c.status), "floor": c.floor.map(|n| n.to_string()), "ceiling": c.ceiling.map(|n| n.to_string())})
            };
            serde_json::Value::Array(batch.changes.iter().map(change).collect())
        });
        let (postings, declined) = (&batch.postings, &batch.declined);
        let (holds, takes, refunds) = (&batch.holds, &batch.takes, &batch.refunds);
        type Totalled = (Option<Vec<i64>>, Option<Vec<Numeric>>, Option<Vec<Numeric>>, Option<Vec<Numeric>>, Option<Vec<i64>>);
        let query = sqlx::query_as::<_, Totalled>(
            "SELECT acc, deb, cre, hel, ver FROM commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
             $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, \
             $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64)",
        )
        .bind(self.lane)
        .bind(self.epoch)
        .bind(self.session)
        .bind(self.at_database(cutoff))
        .bind(&batch.keys)
        .bind(&batch.key_ids)
        .bind(&batch.key_requests)
        .bind(&batch.key_statuses)
        .bind(&batch.ids)
        .bind(&batch.tenants)
        .bind(&batch.apis)
        .bind(&batch.kinds)
        .bind(&batch.statuses)
        .bind(&batch.requests)
        .bind(&batch.key_texts)
        .bind(&batch.references)
        .bind(&batch.descriptions)
        .bind(&batch.metadatas)
        .bind(&batch.correlations)
        .bind(&batch.decline_codes)
        .bind(&batch.decline_messages)
        .bind(&batch.created)
        .bind(&batch.firsts)
        .bind(&batch.lasts)
        .bind(&postings.ids)
        .bind(&postings.ns)
        .bind(&postings.debits)
        .bind(&postings.credits)
        .bind(numerics(&postings.amounts))
        .bind(numerics(&postings.rest_debits))
        .bind(numerics(&postings.rest_credits))
        .bind(&postings.prev_debits)
        .bind(&postings.prev_credits)
        .bind(&postings.created)
        .bind(&declined.ids)
        .bind(&declined.ns)
        .bind(&declined.tenants)
        .bind(&declined.debits)
        .bind(&declined.credits)
        .bind(numerics(&declined.amounts))
        .bind(&declined.currencies)
        .bind(&batch.event_types)
        .bind(&batch.event_aggregates)
        .bind(&batch.event_bodies)
        .bind(&batch.accounts)
        .bind(numerics(&batch.debits))
        .bind(numerics(&batch.credits))
        .bind(&batch.account_lasts)
        .bind(changes)
        .bind(numerics(&batch.helds))
        .bind(&holds.ids)
        .bind(&holds.debits)
        .bind(&holds.credits)
        .bind(numerics(&holds.amounts))
        .bind(&holds.expires)
        .bind(&takes.ids)
        .bind(&takes.holds)
        .bind(numerics(&takes.captured))
        .bind(numerics(&takes.voided))
        .bind(&refunds.ids)
        .bind(&refunds.payments)
        .bind(numerics(&refunds.limits))
        .bind(numerics(&refunds.amounts))
        .bind((!batch.extras.is_empty()).then_some(Json(&batch.extras)));
        // One row of arrays: a row per account costs more to read than to write.
        let (accounts, debits, credits, held, versions) = within(self.answer_timeout, query.fetch_one(&mut self.connection)).await?;
        let (debits, credits, held, versions) =
            (debits.unwrap_or_default(), credits.unwrap_or_default(), held.unwrap_or_default(), versions.unwrap_or_default());
        let totals = |(n, account): (usize, i64)| {
            let totals = Totals { debits: debits[n].0, credits: credits[n].0, held: held[n].0, version: versions[n] }; // columns of one aggregate
            (AccountId(account), totals)
        };
        Ok(accounts.unwrap_or_default().into_iter().enumerate().map(totals).collect())
    }

    /// Which of these keys are used, in all live generations.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn used_keys(&mut self, keys: &[KeyHash]) -> Result<UsedKeys, StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = within(self.answer_timeout, sqlx::query_as::<_, UsedKeyRow>(USED_KEYS).bind(keys).fetch_all(&mut self.connection)).await?;
        Ok(used_keys(rows))
    }

    /// What is posted on these accounts, guards included.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn posted(&mut self, accounts: &[i64]) -> Result<Vec<(AccountId, Posted)>, StoreError> {
        type Row = (i64, Numeric, Numeric, i64, Numeric, Option<Numeric>, Option<Numeric>, i16);
        let sql = "SELECT account, debits, credits, version, held, floor, ceiling, status FROM balances WHERE account = ANY($1)";
        let rows = within(self.answer_timeout, sqlx::query_as::<_, Row>(sql).bind(accounts).fetch_all(&mut self.connection)).await?;
        let posted = |(account, debits, credits, version, held, floor, ceiling, code): Row| {
            let totals = Totals { debits: debits.0, credits: credits.0, held: held.0, version };
            (AccountId(account), Posted { totals, floor: floor.map(|n| n.0), ceiling: ceiling.map(|n| n.0), status: status(code) })
        };
        Ok(rows.into_iter().map(posted).collect())
    }

    /// What was asked by the transaction of this id, if there is one: a record whose key is long forgotten is guarded by its own id.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn transaction(&mut self, id: TransactionId) -> Result<Option<(RequestHash, DateTime<Utc>)>, StoreError> {
        let query = sqlx::query_as::<_, (Uuid, DateTime<Utc>)>("SELECT request, created_at FROM transactions WHERE id = $1").bind(id.0);
        let row = within(self.answer_timeout, query.fetch_optional(&mut self.connection)).await?;
        Ok(row.map(|(request, created_at)| (RequestHash(request), created_at)))
    }

    /// Whether this cut-off has passed by the database's clock.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn now(&mut self) -> Result<Instant, StoreError> {
        let before = Instant::now();
        let now: DateTime<Utc> = within(self.answer_timeout, sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut self.connection)).await?;
        let since = (now - self.clock.1).to_std().unwrap_or_default();
        let by_the_old = self.clock.0.checked_add(since).unwrap_or(before);
        self.clock = (before, now); // one of the two was set, or stood still: the next batch goes by what they say now
        Ok(by_the_old)
    }
}

pub(super) type UsedKeyRow = (Uuid, Uuid, Uuid, i16, Option<DateTime<Utc>>);

pub(super) const USED_KEYS: &str = "SELECT k.key, k.transaction, k.request, k.status, t.created_at \
     FROM (SELECT * FROM keys_even WHERE key = ANY($1) UNION ALL SELECT * FROM keys_odd WHERE key = ANY($1)) k LEFT JOIN transactions t ON t.id = k.transaction";

pub(super) fn used_keys(rows: Vec<UsedKeyRow>) -> UsedKeys {
    let used = |(key, transaction, request, status, created_at): UsedKeyRow| {
        let used = UsedKey {
            key: KeyHash(key),
            transaction: TransactionId(transaction),
            request: RequestHash(request),
            retired: status == 3,
            created_at: created_at.unwrap_or_default(),
        };
        (used.key, used)
    };
    rows.into_iter().map(used).collect()
}

pub(super) fn status_code(status: Status) -> i16 {
    match status {
        Status::Active => 1,
        Status::Suspended => 2,
        Status::Closed => 3,
    }
}

pub(super) fn status(code: i16) -> Status {
    match code {
        1 => Status::Active,
        2 => Status::Suspended,
        _ => Status::Closed,
    }
}
