//! What the publisher, the housekeeping and operators' commands read and write beside the journal's rows.

mod dead_letters;
mod upkeep;

use sqlx::postgres::{PgConnectOptions, PgExecutor};
use sqlx::{Error, Row as _};

pub use dead_letters::{
    DeadLetterRow, Letter, ReplayError, ask_replay, asked_replays, count_dead_letters, dead_letters_after,
    insert_dead_letter, list_dead_letters, show_dead_letter,
};
pub use upkeep::{Backlog, backlog, forget_keys, grow, note_times, publish_again};

/// Gives every statement of the publisher and the housekeeping a deadline.
pub fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("plan_cache_mode", "force_custom_plan"),
    ])
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
    /// The place of the last event that Kafka has.
    pub position: i64,
    /// Kafka's cluster id.
    pub cluster: String,
    /// The database that wrote this copy.
    pub database: Database,
}

pub async fn database(db: impl PgExecutor<'_>) -> Result<Database, Error> {
    let row = sqlx::query(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint",
    )
    .fetch_one(db)
    .await?;
    Ok(Database { system: row.try_get(0)?, timeline: row.try_get(1)? })
}

/// Reads PostgreSQL's copy of a publisher's position; `None`: it was never written.
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

/// Writes PostgreSQL's copy of a publisher's position.
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
