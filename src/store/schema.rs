//! The schema: made by `florin migrate`, checked by everything that uses it.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlSafeStr};

/// All functions of the schema as they are now, in the order in which they are made. Each can be made anew over the one
/// before.
pub const FUNCTIONS: [&str; 7] = [
    include_str!("../../migrations/functions/partitions.sql"),
    include_str!("../../migrations/functions/places.sql"),
    include_str!("../../migrations/functions/billing.sql"),
    include_str!("../../migrations/functions/batch.sql"),
    include_str!("../../migrations/functions/leadership.sql"),
    include_str!("../../migrations/functions/accounts.sql"),
    include_str!("../../migrations/functions/fold.sql"),
];

/// All migrations; they are part of the binary. One called `functions` only names a digest: where it is that of
/// [`FUNCTIONS`], they are made there, and else it does nothing, since a later one makes them.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations");
    let now = functions_digest();
    for migration in migrator.migrations.to_mut() {
        if migration.description == "functions" && migration.sql.as_str().contains(&now) {
            migration.sql = AssertSqlSafe(FUNCTIONS.concat()).into_sql_str(); // the checksum stays that of the file
        }
    }
    migrator
});

/// The SHA-256 of [`FUNCTIONS`], in hexadecimal digits.
fn functions_digest() -> String {
    Sha256::digest(FUNCTIONS.concat()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// All migrations.
pub fn migrations() -> &'static Migrator {
    &MIGRATIONS
}

/// Why a database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the database has no florin schema; run `florin migrate`")]
    Missing,
    /// An older Florin made the schema.
    #[error("the database's schema is version {found}, this florin needs {needed}; run `florin migrate`")]
    Older {
        /// The newest migration of the database.
        found: i64,
        /// The newest migration of this binary.
        needed: i64,
    },
    /// A newer Florin made the schema.
    #[error(
        "the database's schema is version {found}, this florin knows {needed} at most; run the florin that did `florin migrate`, or a newer one"
    )]
    Newer {
        /// The newest migration of the database.
        found: i64,
        /// The newest migration of this binary.
        needed: i64,
    },
    /// A migration of the database differs from the one in the binary.
    #[error(
        "migration {version} of the database is not the one that this florin knows; run the florin that did `florin migrate`"
    )]
    Changed {
        /// The migration's number.
        version: i64,
    },
    /// A migration stopped half way.
    #[error("migration {version} did not finish: restore the database, then run `florin migrate`")]
    Unfinished {
        /// The migration's number.
        version: i64,
    },
    /// A role that is to serve has rights that nobody who serves should have.
    #[error(
        "role {role} cannot be the one that serves: it is the schema's owner or a superuser, or it may make objects of its own, which only the database's owner can take from it"
    )]
    MayTooMuch { role: String },
    /// The database refused, or did not answer.
    #[error("the database cannot be asked for its schema: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed; it changed nothing.
    #[error("migration failed: {0}")]
    Failed(MigrateError),
}

/// A migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub version: i64,
    /// What it brings, from its file's name.
    pub description: String,
}

/// The migrations that the database lacks, in order.
///
/// # Errors
/// When the database has migrations that this binary does not know, or cannot be read. Never [`SchemaError::Missing`]
/// or [`SchemaError::Older`].
pub async fn pending(connection: &mut PgConnection) -> Result<Vec<Step>, SchemaError> {
    let applied = applied(connection).await?;
    let known = MIGRATIONS.iter().filter(|m| !m.migration_type.is_down_migration());
    let lacking = known.filter(|m| !applied.contains(&m.version));
    Ok(lacking.map(|m| Step { version: m.version, description: m.description.to_string() }).collect())
}

/// Makes the database that the URL names, unless it exists. Only for servers that Florin itself starts.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub async fn create_database(url: &str) -> Result<(), SchemaError> {
    let options: PgConnectOptions = url.parse()?;
    let name = options.get_database().unwrap_or_default().to_owned();
    let mut admin = PgConnection::connect_with(&options.database("postgres")).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await?;
    if !there {
        let quoted: String = sqlx::query_scalar("SELECT quote_ident($1)").bind(&name).fetch_one(&mut admin).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {quoted}"))).execute(&mut admin).await?;
    }
    admin.close().await?;
    Ok(())
}

/// Applies what is pending, one migration per transaction, and calls `done` after each. Processes that migrate at the
/// same time wait for each other.
///
/// # Errors
/// As [`pending`], and when a migration fails: that one changed nothing, those before it stay.
pub async fn migrate(url: &str, mut done: impl FnMut(&Step)) -> Result<Vec<Step>, SchemaError> {
    let mut connection = PgConnection::connect(url).await?;
    let steps = pending(&mut connection).await?; // says in our words what is wrong, before sqlx does
    for step in &steps {
        MIGRATIONS.run_to(step.version, &mut connection).await.map_err(SchemaError::Failed)?;
        done(step);
    }
    connection.close().await?;
    Ok(steps)
}

/// The rights that a serving role needs, and no more: for it the ledger is append-only, and what is dropped is dropped
/// by functions that run as their owner. It makes no objects of its own, temporary ones neither. `{role}` and
/// `{database}` are quoted names.
const GRANTS: &str = "
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
GRANT INSERT ON accounts, balances, journal, derived, declines, writers, outbox_positions, dead_letters, quarantine, holds, refunded, rates, sagas, operator_actions, currencies, entities, number_series, customers, tax_rates, invoices, settlements, parked_orders, parked_bills, mails, received_letters, exports TO {role};
GRANT UPDATE ON balances, folded, quarantine, holds, refunded, sagas, currencies, writers, leadership, outbox_positions, dead_letters, entities, number_series, customers, invoices, parked_orders, mails, received_letters TO {role};
GRANT UPDATE (opened_at, closed_at, rows, last_batch) ON journal_partitions TO {role};
GRANT DELETE ON invoices, parked_bills, received_letters TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
GRANT EXECUTE ON FUNCTION journal_grow, journal_forget_keys, journal_note_times, fold_accounts, fold_journal, journal_tail, balances_of, apply_holds, append_saga_facts, open_accounts, apply_extras, issue_invoices, settle_invoices, commit_batch, raise_session,
  take_leadership, journal_tip, journal_at, journal_places, journal_transactions, journal_after, journal_before, journal_first, journal_last_following, journal_place_at, account_postings, account_history, used_keys, journal_waiting TO {role};
REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role};
REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role};";

/// Whether a role may make objects of its own, or be the schema's owner.
const MAY_TOO_MUCH: &str = "
SELECT has_schema_privilege($1, 'public', 'CREATE') OR has_database_privilege($1, current_database(), 'CREATE, TEMPORARY')
  OR pg_has_role($1, (SELECT relowner FROM pg_class WHERE oid = 'journal'::regclass), 'MEMBER')";

/// Gives a role the rights that serving needs, and takes from it and from everybody the right to make objects.
///
/// # Errors
/// When there is no such role, this login may not grant, or the role still may do too much; then nothing is changed.
pub async fn grant(url: &str, role: &str) -> Result<(), SchemaError> {
    let mut connection = PgConnection::connect(url).await?;
    let mut work = connection.begin().await?;
    let names = sqlx::query_as("SELECT quote_ident($1), quote_ident(current_database())").bind(role);
    let (quoted, database): (String, String) = names.fetch_one(&mut *work).await?;
    let grants = GRANTS.replace("{role}", &quoted).replace("{database}", &database);
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut *work).await?;
    if sqlx::query_scalar(MAY_TOO_MUCH).bind(role).fetch_one(&mut *work).await? {
        return Err(SchemaError::MayTooMuch { role: role.into() });
    }
    work.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Refuses every schema but the one that this binary was built for.
///
/// # Errors
/// When it is missing, older, newer, changed or unfinished: each message says what to do.
pub async fn check(pool: &PgPool) -> Result<(), SchemaError> {
    let mut connection = pool.acquire().await?;
    let found = applied(&mut connection).await?.into_iter().max().ok_or(SchemaError::Missing)?;
    if pending(&mut connection).await?.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Older { found, needed: newest() })
    }
}

pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

/// The versions that the database has; each is checked to be one that the binary knows, byte for byte.
async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, SchemaError> {
    let table = MIGRATIONS.table_name.as_ref();
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *connection).await?;
    if !exists {
        return Ok(Vec::new());
    }
    if let Some(version) = connection.dirty_version(table).await.map_err(asked)? {
        return Err(SchemaError::Unfinished { version });
    }
    let applied = connection.list_applied_migrations(table).await.map_err(asked)?;
    if let Some(found) = applied.iter().map(|m| m.version).max().filter(|found| *found > newest()) {
        return Err(SchemaError::Newer { found, needed: newest() });
    }
    for there in &applied {
        if !MIGRATIONS.iter().any(|here| here.version == there.version && here.checksum == there.checksum) {
            return Err(SchemaError::Changed { version: there.version });
        }
    }
    Ok(applied.into_iter().map(|m| m.version).collect())
}

fn asked(error: MigrateError) -> SchemaError {
    match error {
        MigrateError::Execute(error) => SchemaError::Database(error),
        other => SchemaError::Failed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_migration_of_functions_names_the_digest_of_the_files() {
        let newest = MIGRATIONS.iter().rfind(|migration| migration.description == "functions").unwrap();
        let (version, digest) = (newest.version, functions_digest());
        assert_eq!(
            newest.sql.as_str(),
            FUNCTIONS.concat(),
            "migration {version:04} must say `-- functions {digest}`, or, once it is released, a new migration must"
        );
    }
}
