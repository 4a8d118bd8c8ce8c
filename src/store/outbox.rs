//! The outbox in SQL: what the publisher, the housekeeping and the operator's commands ask of it.
//!
//! Ids come from concurrent transactions and commit out of order. Nothing here reads beyond a final id, which the caller finds by
//! markers: see [`marker`] and [`xmin`].

mod dead_letters;
mod upkeep;

use sqlx::postgres::{PgConnectOptions, PgExecutor};
use sqlx::{Error, Row as _};

pub use dead_letters::{
    DeadLetterRow, ReplayError, count_dead_letters, dead_letters_after, insert_dead_letter, list_dead_letters, replay_dead_letter, show_dead_letter,
};
pub use upkeep::{Backlog, Holder, backlog, grow, oldest_holder, repair, shrink, switch_key_generation};

/// Gives every session of the publisher and the housekeeping an end, so that none of ours holds events back.
pub fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "10s"), ("plan_cache_mode", "force_custom_plan")])
}

/// One event as the outbox keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub id: i64,
    /// Which event, by number.
    pub event: i16,
    /// The message key.
    pub aggregate: String,
    /// The envelope.
    pub body: String,
}

/// Every id up to `last_id` is final once a later snapshot's xmin has passed `xact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The last id that was drawn before `xact` was.
    pub last_id: i64,
    /// The marker's own transaction.
    pub xact: i64,
}

/// Which database this is, and which of its histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// PostgreSQL's system identifier: new with every initdb.
    pub system: String,
    /// Rises with every promotion and every recovery to a point in time.
    pub timeline: i64,
}

/// PostgreSQL's copy of a publisher's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The id of the last outbox row that was published.
    pub position: i64,
    /// Kafka's cluster id.
    pub cluster: String,
    /// The database that wrote this.
    pub database: Database,
}

/// Sets a marker: the last id drawn, then a transaction id.
pub async fn marker(db: impl PgExecutor<'_>) -> Result<Marker, Error> {
    let row = sqlx::query("SELECT last_id, xact FROM outbox_marker()").fetch_one(db).await?;
    Ok(Marker { last_id: row.try_get(0)?, xact: row.try_get(1)? })
}

/// The oldest transaction that is still running, in the whole cluster.
pub async fn xmin(db: impl PgExecutor<'_>) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetch_one(db).await
}

/// The last id that was drawn; 0 before the first.
pub async fn drawn(db: impl PgExecutor<'_>) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT outbox_drawn()").fetch_one(db).await
}

/// Reads up to `rows_max` rows in (after, last], by id.
pub async fn read(db: impl PgExecutor<'_>, after: i64, last: i64, rows_max: i64) -> Result<Vec<Row>, Error> {
    sqlx::query("SELECT id, event, aggregate, body FROM outbox WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3")
        .bind(after)
        .bind(last)
        .bind(rows_max)
        .try_map(|row: sqlx::postgres::PgRow| {
            Ok(Row { id: row.try_get(0)?, event: row.try_get(1)?, aggregate: row.try_get(2)?, body: row.try_get(3)? })
        })
        .fetch_all(db)
        .await
}

/// The row with this id, if it is still there.
pub async fn row(db: impl PgExecutor<'_>, id: i64) -> Result<Option<Row>, Error> {
    Ok(read(db, id - 1, id, 1).await?.pop())
}

/// Which database this is.
pub async fn database(db: impl PgExecutor<'_>) -> Result<Database, Error> {
    let row = sqlx::query(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint",
    )
    .fetch_one(db)
    .await?;
    Ok(Database { system: row.try_get(0)?, timeline: row.try_get(1)? })
}

/// Reads the copy of a publisher's position.
pub async fn copy(db: impl PgExecutor<'_>, publisher: &str) -> Result<Option<Copy>, Error> {
    sqlx::query("SELECT position, cluster, system, timeline FROM outbox_positions WHERE publisher = $1")
        .bind(publisher)
        .try_map(|row: sqlx::postgres::PgRow| {
            let database = Database { system: row.try_get(2)?, timeline: row.try_get(3)? };
            Ok(Copy { position: row.try_get(0)?, cluster: row.try_get(1)?, database })
        })
        .fetch_optional(db)
        .await
}

/// Writes the copy of a publisher's position.
pub async fn write_copy(db: impl PgExecutor<'_>, publisher: &str, copy: &Copy) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox_positions (publisher, position, cluster, system, timeline) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (publisher) DO UPDATE SET position = excluded.position, cluster = excluded.cluster, system = excluded.system,
           timeline = excluded.timeline, updated_at = clock_timestamp()",
    )
    .bind(publisher)
    .bind(copy.position)
    .bind(&copy.cluster)
    .bind(&copy.database.system)
    .bind(copy.database.timeline)
    .execute(db)
    .await?;
    Ok(())
}
