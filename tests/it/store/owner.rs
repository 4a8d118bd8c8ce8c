//! The role that serves cannot become the schema's owner: it makes no objects, and what runs as the owner finds none of
//! its own.

use florin::store::schema;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::TestDatabase;

/// A role that was given what serving needs, and a session of it; `before` is done to the role first.
async fn serving(database: &TestDatabase, before: &str) -> (String, Result<PgConnection, schema::SchemaError>) {
    let role = format!("owner_{}", database.pool.connect_options().get_database().unwrap());
    let make = format!("CREATE ROLE {role} LOGIN; {}", before.replace("{role}", &role));
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&database.pool).await.unwrap();
    if let Err(refused) = schema::grant(&database.url, &role).await {
        return (role, Err(refused));
    }
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    assert_ne!(url, database.url);
    (role, Ok(PgConnection::connect(&url).await.unwrap()))
}

async fn forget(database: &TestDatabase, role: &str) {
    let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&database.pool).await.unwrap();
}

// Fails when the grant leaves TEMPORARY or CREATE to the role or to everybody, or the number and the keys of a
// partition.
#[tokio::test]
async fn a_role_that_serves_makes_nothing_of_its_own() {
    let database = TestDatabase::fresh().await;
    let everybody = "GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT CREATE ON SCHEMA public TO {role}; \
         DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO {role}', current_database()); END $$";
    let (role, session) = serving(&database, everybody).await;
    let mut session = session.unwrap();
    for refused in [
        "CREATE TEMP TABLE journal_partitions (number bigint)",
        "CREATE TEMP VIEW journal_1 AS SELECT 1",
        "CREATE TABLE own (number bigint)",
        "CREATE SCHEMA own",
        "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE journal_partitions SET number = 7",
        "UPDATE journal_partitions SET keys = false",
    ] {
        let error = sqlx::raw_sql(refused).execute(&mut session).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}: {error}");
    }
    session.close().await.unwrap();
    forget(&database, &role).await;
}

// Fails when `grant` does not look at what the role may do in the end.
#[tokio::test]
async fn who_can_be_the_owner_is_not_given_the_rights_of_one_who_serves() {
    for power in [
        "ALTER ROLE {role} SUPERUSER",
        "GRANT postgres TO {role}",
        "ALTER ROLE {role} NOINHERIT; GRANT postgres TO {role}",
    ] {
        let database = TestDatabase::fresh().await;
        let (role, session) = serving(&database, power).await;
        let refused = session.unwrap_err().to_string();
        assert!(refused.contains(&format!("role {role} cannot be the one that serves")), "{power}: {refused}");
        let granted =
            format!("SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = '{role}'::regrole");
        assert_eq!(database.count(&granted).await, 0, "{power}: granted all the same");
        forget(&database, &role).await;
    }
}

// Fails when a function that runs as its owner has another search path, such as FROM CURRENT: what the caller's
// temporary views name `journal_partitions` and `journal_1` is then evaluated as the owner.
#[tokio::test]
async fn what_runs_as_the_owner_finds_no_object_of_its_caller() {
    let database = TestDatabase::fresh().await;
    let (role, session) = serving(&database, "").await;
    let mut session = session.unwrap();
    // Somebody gave it TEMPORARY all the same, and a partition is closed.
    let given = "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', current_database()); END $$; \
         UPDATE journal_partitions SET closed_at = clock_timestamp() - interval '1 year' WHERE number = 1";
    sqlx::raw_sql(AssertSqlSafe(given.replace("{role}", &role))).execute(&database.pool).await.unwrap();
    let traps = "CREATE FUNCTION pg_temp.trap() RETURNS bigint LANGUAGE plpgsql AS \
           'BEGIN RAISE EXCEPTION ''evaluated as %'', current_user; END'; \
         CREATE TEMP VIEW journal_partitions AS SELECT pg_temp.trap() AS number, now() AS opened_at, '-infinity'::timestamptz AS closed_at, \
           NULL::timestamptz AS first_at, true AS keys; \
         CREATE TEMP VIEW journal_1 AS SELECT now() + pg_temp.trap() * interval '0' AS created_at";
    sqlx::raw_sql(traps).execute(&mut session).await.unwrap();
    let functions: Vec<(String, Option<Vec<String>>)> = sqlx::query_as(
        "SELECT proname::text, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let names: Vec<&str> = functions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["journal_forget_keys", "journal_grow", "journal_note_times"], "each is called below");
    for (name, settings) in &functions {
        let settings = settings.as_deref().unwrap_or_default();
        assert!(settings.contains(&"search_path=pg_catalog, public, pg_temp".to_owned()), "{name}: {settings:?}");
    }
    for call in ["SELECT journal_note_times()", "SELECT journal_grow(4)", "SELECT journal_forget_keys('-1 year')"] {
        sqlx::raw_sql(call).execute(&mut session).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    let noted = "SELECT count(*) FROM journal_partitions WHERE number = 1 AND first_at IS NOT NULL AND NOT keys";
    assert_eq!(database.count(noted).await, 1, "they did their work on the real tables");
    session.close().await.unwrap();
    forget(&database, &role).await;
}

// Fails when a migration, or the grant, needs a superuser.
#[tokio::test]
async fn who_owns_the_database_needs_no_more_to_migrate_and_to_grant() {
    let database = TestDatabase::empty().await;
    let name = database.pool.connect_options().get_database().unwrap().to_owned();
    let (owner, teller) = (format!("own_{name}"), format!("serve_{name}"));
    let command = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
    command(format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {teller} LOGIN; ALTER DATABASE {name} OWNER TO {owner}"))
        .await;
    let url = database.url.replacen("postgres@", &format!("{owner}@"), 1);
    schema::migrate(&url, |_| ()).await.unwrap();
    schema::grant(&url, &teller).await.unwrap();
    let refused = schema::grant(&url, &owner).await.unwrap_err().to_string();
    assert!(refused.contains("cannot be the one that serves"), "{refused}");
    command(format!("REASSIGN OWNED BY {owner} TO postgres; ALTER DATABASE {name} OWNER TO postgres")).await;
    command(format!("DROP OWNED BY {owner}, {teller}; DROP ROLE {owner}, {teller}")).await;
}
