//! What `florin migrate` brings, and what everything else refuses.

use florin::store::schema::{self, FUNCTIONS, SchemaError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::{Florin, Options, TestDatabase};

#[tokio::test]
async fn only_the_schema_of_this_binary_is_taken() {
    let database = TestDatabase::empty().await;
    let (url, pool) = (&database.url, &database.pool);
    assert!(matches!(schema::check(pool).await, Err(SchemaError::Missing)));

    // Two at once wait for each other, and each migration runs once.
    let (one, other) = tokio::join!(schema::migrate(url, |_| ()), schema::migrate(url, |_| ()));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    schema::check(pool).await.unwrap();
    assert_eq!(schema::migrate(url, |_| ()).await.unwrap(), []);

    let newest = schema::newest();
    let change = async |sql: &'static str| sqlx::query(sql).bind(newest).execute(pool).await.unwrap().rows_affected();
    assert_eq!(change("UPDATE _sqlx_migrations SET success = false WHERE version = $1").await, 1);
    assert!(matches!(schema::check(pool).await, Err(SchemaError::Unfinished { version }) if version == newest));
    change("UPDATE _sqlx_migrations SET success = true WHERE version = $1").await;

    change("UPDATE _sqlx_migrations SET checksum = checksum || 'x' WHERE version = $1").await;
    assert!(matches!(schema::check(pool).await, Err(SchemaError::Changed { version }) if version == newest));

    change("UPDATE _sqlx_migrations SET version = 1000 WHERE version = $1").await;
    let newer = schema::check(pool).await.unwrap_err();
    assert!(matches!(newer, SchemaError::Newer { found: 1000, .. }), "{newer}");
    assert!(matches!(schema::migrate(url, |_| ()).await, Err(SchemaError::Newer { .. })));

    change("DELETE FROM _sqlx_migrations WHERE version IN (1000, $1)").await;
    let older = schema::check(pool).await.unwrap_err();
    assert!(matches!(older, SchemaError::Older { .. }) && older.to_string().contains("`florin migrate`"), "{older}");
}

// Fails when a grant is missing that serving needs, or when one is there that would let the role rewrite the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_the_grants_serves_and_cannot_rewrite_the_ledger() {
    let database = TestDatabase::fresh().await;
    let role = format!("teller_{}", database.pool.connect_options().get_database().unwrap());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).execute(&database.pool).await.unwrap();
    schema::grant(&database.url, &role).await.unwrap();
    assert!(schema::grant(&database.url, "nobody of that name").await.is_err());
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    assert_ne!(url, database.url);

    database.account("alice", 10_00).await;
    database.account("bob", 0).await;
    let florin = Florin::standby(database.clone(), &url, Options::default(), "teller").await;
    florin.serving().await;
    assert_eq!(florin.pay("k", "alice", "bob", 4_00).await.unwrap().payment_id.len(), 26);
    assert_eq!(florin.pay("k2", "alice", "bob", 40_00).await.unwrap().payment_id, "");
    assert_eq!(florin.balance("alice").await, 6_00);

    let teller = sqlx::PgPool::connect(&url).await.unwrap();
    for allowed in [
        "SELECT journal_grow(3)",
        "SELECT journal_forget_keys('1 hour')",
        "SELECT journal_note_times()",
        "SELECT journal_tip()",
    ] {
        sqlx::query(allowed).execute(&teller).await.unwrap();
    }
    schema::check(&teller).await.unwrap();
    for refused in [
        "UPDATE journal SET amount = 1",
        "DELETE FROM journal_1",
        "TRUNCATE journal",
        "DELETE FROM derived",
        "DROP TABLE journal_0",
        "DROP INDEX journal_1_key",
        "SELECT journal_make(9)",
        "INSERT INTO api_keys (id, tenant, hash, scopes) VALUES ('k', 'default', '', '{admin}')",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
    ] {
        let error = sqlx::query(refused).execute(&teller).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}: {error}");
    }
    teller.close().await;
    florin.stop().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}")))
        .execute(&database.pool)
        .await
        .unwrap();
}

/// Functions of the schema that this role may execute, of all there are.
async fn executable(database: &TestDatabase, role: &str) -> (i64, i64) {
    let sql = "SELECT count(*) FILTER (WHERE has_function_privilege($1, oid, 'EXECUTE')), count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    sqlx::query_as(sql).bind(role).fetch_one(&database.pool).await.unwrap()
}

// Fails when a function of any migration is left to PUBLIC, or when the grants lack one.
#[tokio::test]
async fn nobody_executes_a_function_without_a_grant() {
    let database = TestDatabase::fresh().await;
    let stranger = format!("stranger_{}", database.pool.connect_options().get_database().unwrap());
    let command = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
    command(format!("CREATE ROLE {stranger} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger}")).await;
    let (left, all) = executable(&database, "public").await;
    assert_eq!(left, 0, "of {all} functions");
    let url = database.url.replacen("postgres@", &format!("{stranger}@"), 1);
    assert_ne!(url, database.url);
    let mut anybody = PgConnection::connect(&url).await.unwrap();
    for refused in [
        "SELECT journal_grow(1)",
        "SELECT journal_forget_keys('0 s')",
        "SELECT journal_note_times()",
        "SELECT raise_session(0, 1, 'me', '{}')",
        "SELECT take_leadership('me', '', '1 h')",
    ] {
        let error = sqlx::query(refused).execute(&mut anybody).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}: {error}");
        assert!(error.to_string().contains("function"), "{refused}: {error}");
    }
    anybody.close().await.unwrap();
    schema::grant(&database.url, &stranger).await.unwrap();
    assert_eq!(
        executable(&database, &stranger).await.0,
        all - 3,
        "all but the two of triggers, and the one that makes partitions for others"
    );
    command(format!("DROP OWNED BY {stranger}; DROP ROLE {stranger}")).await;
}

/// Fails when a migration makes a function that the files do not have, or has another text of one.
#[tokio::test]
async fn the_functions_of_a_migrated_database_are_those_of_the_files() {
    let database = TestDatabase::fresh().await;
    let mut there = database.pool.begin().await.unwrap();
    let texts = "SELECT oid::regprocedure::text, pg_get_functiondef(oid), proacl::text FROM pg_proc \
                   WHERE pronamespace = 'public'::regnamespace \
                 UNION ALL SELECT 'balances_now', pg_get_viewdef('balances_now'), NULL ORDER BY 1";
    let before: Vec<(String, String, Option<String>)> = sqlx::query_as(texts).fetch_all(&mut *there).await.unwrap();
    for (name, ..) in before.iter().filter(|(name, ..)| name != "balances_now") {
        let made = format!("CREATE OR REPLACE FUNCTION {}(", name.split('(').next().unwrap());
        assert!(FUNCTIONS.iter().any(|file| file.contains(&made)), "{name} stands in no file of migrations/functions");
    }
    for file in FUNCTIONS {
        there.execute(file).await.unwrap();
    }
    let after: Vec<(String, String, Option<String>)> = sqlx::query_as(texts).fetch_all(&mut *there).await.unwrap();
    there.rollback().await.unwrap();
    assert_eq!(before, after);
}
