//! SQL, and only SQL: every statement of the product stands in this room.

pub mod accounts;
pub mod advice;
pub mod api_keys;
pub mod audit;
pub mod billing;
pub mod currencies;
pub mod entries;
pub mod error;
pub mod fold;
pub mod holds;
pub mod journal;
pub mod journal_rows;
pub mod leadership;
pub mod live;
pub mod mails;
pub mod numeric;
pub mod operators;
pub mod outbox;
pub mod rates;
pub mod received;
pub mod sagas;
pub mod schema;
pub mod secrets;
pub mod seed;
mod statement;
pub mod transactions;
pub mod verify;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

pub use error::StoreError;

/// Where the database is, and how long it is waited for.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// How long connecting may take. Also how long a caller waits for a pooled connection.
    pub connect_timeout: Duration,
    /// How long a statement of the pool may run on the server.
    pub read_timeout: Duration,
    /// Sessions open beside the pools: the journal's and the lease's.
    sessions: Arc<AtomicU32>,
}

/// Counts a session for as long as it is open.
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Database {
    /// Reads a PostgreSQL URL. A driver in the scheme, such as `+asyncpg`, is ignored.
    ///
    /// # Errors
    /// When it is not a PostgreSQL URL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let plain = url.split_once("://").map_or_else(
            || url.to_owned(),
            |(scheme, rest)| format!("{}://{rest}", scheme.split('+').next().unwrap_or("postgres")),
        );
        let options = PgConnectOptions::from_str(&plain)?.application_name("florin");
        Ok(Self {
            options,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            sessions: Arc::default(),
        })
    }

    /// How many sessions are open beside the pools.
    pub fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    fn counted(&self) -> Counted {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        Counted(self.sessions.clone())
    }

    /// Options for a session whose statements and idle transactions are ended by the server: a write transaction that
    /// hangs would hold back every event.
    fn session(&self, statement_timeout: Duration) -> PgConnectOptions {
        let ms = statement_timeout.as_millis().to_string();
        self.options.clone().options([
            ("statement_timeout", ms.as_str()),
            ("idle_in_transaction_session_timeout", "10000"),
            ("jit", "off"),
        ])
    }

    /// A pool for reads and rare writes. It connects when first used.
    pub fn pool(&self, connections_max: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(self.connect_timeout)
            .idle_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // Plans are kept. One that was made while a table was small would read it whole when it has grown.
                    connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET synchronous_commit = on").await?;
                    Ok(())
                })
            })
            .before_acquire(|connection, used| {
                // After an outage the idle connections are dead, and whoever came first would pay for it.
                Box::pin(async move { Ok(used.idle_for < CHECK_IDLE || within(CHECK_TIMEOUT, connection.ping()).await.is_ok()) })
            })
            .after_release(|connection, _| Box::pin(is_to_be_kept(connection)))
            .connect_lazy_with(self.session(self.read_timeout))
    }

    /// A pool of at most four connections for the publisher and the housekeeping. It connects when first used.
    pub fn publishing_pool(&self) -> PgPool {
        let options = outbox::bounded(self.options.clone());
        PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(self.connect_timeout)
            .idle_timeout(Duration::from_secs(60))
            .after_release(|connection, _| Box::pin(is_to_be_kept(connection)))
            .connect_lazy_with(options)
    }
}

/// Whether a connection goes back into its pool. The pool's own check has no deadline: a connection that went dead
/// unnoticed would never come back, nor free its slot. And one that once took no writes may never take any, though the
/// database does again.
async fn is_to_be_kept(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let read_only = sqlx::query_scalar::<_, String>("SHOW transaction_read_only").fetch_one(connection);
    within(CHECK_TIMEOUT, read_only).await.map(|read_only| read_only == "off").map_err(|_| sqlx::Error::PoolTimedOut)
}

/// A pooled connection idle for longer is checked before it is used.
const CHECK_IDLE: Duration = Duration::from_secs(1);
/// How long the check of a pooled connection may take.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a caller's read may take on this side. The statement itself is ended earlier, by the server.
const READ_TIMEOUT: Duration = Duration::from_secs(6);

/// Runs a statement with a deadline. Past it, whether it took effect is not known.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(_) => Err(StoreError::Lost(format!("no answer within {limit:?}"))),
    }
}

/// Runs a caller's read with a deadline: the server's own does not help when its answers do not arrive.
async fn limited<T>(read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(READ_TIMEOUT, read)
        .await
        .unwrap_or_else(|_| Err(StoreError::Lost(format!("no answer within {READ_TIMEOUT:?}"))))
}
