//! The lease and the epoch: see `take_leadership` in `migrations/functions/leadership.sql`.

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};

use super::outbox::{self, Database as Identity};
use super::{Counted, Database, StoreError, within};

/// The result of trying to take the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The lease is this node's, under this epoch.
    Taken {
        /// Higher than any before.
        epoch: i64,
    },
    /// The lease is another node's.
    Held {
        /// The name that the leader gave itself.
        by: String,
        /// How long its lease still lasts.
        remaining: Duration,
    },
}

/// The epoch that was given last.
///
/// # Errors
/// Any failure of the statement.
pub async fn epoch(pool: &PgPool) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT epoch FROM leadership").fetch_one(pool).await?)
}

/// The connection over which a node keeps the lease.
pub struct LeaseSession {
    connection: PgConnection,
    answer_timeout: Duration,
    _counted: Counted,
}

/// How long locks of batches in flight are waited for before their backends are ended.
const LOCK_PATIENCE: &str = "SET lock_timeout = '500ms'";

impl LeaseSession {
    /// Connects. A statement without an answer for `answer_timeout` ends the session: over a connection that went dead
    /// unnoticed, a node would otherwise never hear that it has lost the lease.
    ///
    /// # Errors
    /// When the database cannot be reached in time.
    pub async fn open(database: &Database, answer_timeout: Duration) -> Result<Self, StoreError> {
        let options = database.session(answer_timeout);
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::query(LOCK_PATIENCE).execute(&mut connection).await?;
            Ok(connection)
        };
        Ok(Self {
            connection: within(database.connect_timeout, connect).await?,
            answer_timeout,
            _counted: database.counted(),
        })
    }

    /// Tries to take the lease. `dead` names a leader that is known to have ended.
    ///
    /// # Errors
    /// Any failure of the statement. Backends that hold the writer's lock for too long are ended then, and it can be
    /// tried again.
    pub async fn take(&mut self, holder: &str, dead: &str, lease: Duration) -> Result<Attempt, StoreError> {
        let attempt = sqlx::query_as::<_, (Option<i64>, String, i64)>(
            "SELECT new_epoch, held_by, remaining_ms FROM take_leadership($1, $2, $3 * interval '1 ms')",
        )
        .bind(holder)
        .bind(dead)
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .fetch_one(&mut self.connection);
        match within(self.answer_timeout, attempt).await {
            Ok((Some(epoch), _, _)) => Ok(Attempt::Taken { epoch }),
            Ok((None, by, remaining_ms)) => {
                Ok(Attempt::Held { by, remaining: Duration::from_millis(u64::try_from(remaining_ms).unwrap_or(0)) })
            }
            Err(error) => {
                if error.code() == Some("55P03") {
                    // Only once the lease is over, and only if its row can be had: else that row was waited for, and
                    // the writer is well.
                    let end = sqlx::query(
                        "SELECT pg_terminate_backend(pid) FROM writers, unnest(pids) pid WHERE pid IS NOT NULL \
                         AND EXISTS (SELECT FROM leadership WHERE expires_at <= clock_timestamp() OR holder = $1 FOR UPDATE)",
                    );
                    within(self.answer_timeout, end.bind(dead).execute(&mut self.connection)).await?;
                }
                Err(error)
            }
        }
    }

    /// Extends the lease from now on, and returns the number of the journal's last batch. `None`: the epoch is no
    /// longer this leader's. Its name is checked too: a database that was restored may have given the same epoch twice.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn renew(&mut self, epoch: i64, holder: &str, lease: Duration) -> Result<Option<i64>, StoreError> {
        let sql = "UPDATE leadership SET expires_at = clock_timestamp() + $2 * interval '1 ms' WHERE epoch = $1 AND holder = $3 \
                   RETURNING (SELECT max(batch) FROM writers)";
        let done = sqlx::query_scalar(sql)
            .bind(epoch)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .bind(holder)
            .fetch_optional(&mut self.connection);
        within(self.answer_timeout, done).await
    }

    /// Which database this session is connected to, and which of its histories: it is the same for as long as the
    /// session lasts.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub async fn identity(&mut self) -> Result<Identity, StoreError> {
        within(self.answer_timeout, outbox::database(&mut self.connection)).await
    }

    /// Gives up the lease, unless it is another's by now, though under the same epoch.
    ///
    /// # Errors
    /// Any failure of the statement; then the lease ends by itself.
    pub async fn release(&mut self, epoch: i64, holder: &str) -> Result<(), StoreError> {
        let release = sqlx::query("UPDATE leadership SET expires_at = '-infinity' WHERE epoch = $1 AND holder = $2")
            .bind(epoch)
            .bind(holder)
            .execute(&mut self.connection);
        within(self.answer_timeout, release).await.map(|_| ())
    }
}
