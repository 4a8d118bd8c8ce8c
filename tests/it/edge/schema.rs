//! What `florin migrate` brings, and what everything else refuses.

use florin::store::schema::{self, SchemaError};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

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
    for allowed in
        ["SELECT outbox_grow(1000, 1)", "SELECT outbox_shrink(0, '1 hour')", "SELECT switch_key_generation('1 hour')", "SELECT outbox_marker()"]
    {
        sqlx::query(allowed).execute(&teller).await.unwrap();
    }
    schema::check(&teller).await.unwrap();
    for refused in [
        "UPDATE postings SET amount = 1",
        "DELETE FROM transactions",
        "TRUNCATE postings",
        "DELETE FROM keys_even",
        "DROP TABLE outbox",
        "INSERT INTO api_keys (id, tenant, hash, scopes) VALUES ('k', 'default', '', '{admin}')",
        "ALTER TABLE postings DISABLE TRIGGER ALL",
    ] {
        let error = sqlx::query(refused).execute(&teller).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}: {error}");
    }
    teller.close().await;
    florin.stop().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}"))).execute(&database.pool).await.unwrap();
}

/// Functions of the schema that this role may execute, of all there are.
async fn executable(database: &TestDatabase, role: &str) -> (i64, i64) {
    let sql = "SELECT count(*) FILTER (WHERE has_function_privilege($1, oid, 'EXECUTE')), count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    sqlx::query_as(sql).bind(role).fetch_one(&database.pool).await.unwrap()
}

// Fails when a function of any migration is left to PUBLIC, or when a role that served before 0005 does not serve after it.
#[tokio::test]
async fn nobody_executes_a_function_without_a_grant_and_who_served_before_still_does() {
    let database = TestDatabase::empty().await;
    let name = database.pool.connect_options().get_database().unwrap().to_owned();
    let (stranger, teller, public) = (format!("stranger_{name}"), format!("Teller {name}"), "public");
    let command = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    sqlx::migrate!("./migrations").run_to(4, &mut connection).await.unwrap();
    connection.close().await.unwrap();
    command(format!(r#"CREATE ROLE {stranger} LOGIN; CREATE ROLE "{teller}"; GRANT SELECT, INSERT ON lanes TO "{teller}"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger}"#)).await;
    let (before, all) = executable(&database, public).await;
    assert_eq!(before, all, "what this is about");
    schema::migrate(&database.url, |_| ()).await.unwrap();

    let (left, all) = executable(&database, public).await;
    assert_eq!(left, 0, "of {all} functions");
    let url = database.url.replacen("postgres@", &format!("{stranger}@"), 1);
    assert_ne!(url, database.url);
    let mut anybody = PgConnection::connect(&url).await.unwrap();
    for refused in [
        "SELECT outbox_shrink(0, '1 hour')",
        "SELECT outbox_grow(1, 1)",
        "SELECT outbox_repair(0, 1000)",
        "SELECT switch_key_generation('0 s')",
        "SELECT raise_session(0, 1)",
        "SELECT take_leadership('me', '', '1 h', 1)",
    ] {
        let error = sqlx::query(refused).execute(&mut anybody).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{refused}: {error}");
        assert!(error.to_string().contains("function"), "{refused}: {error}");
    }
    anybody.close().await.unwrap();
    assert_eq!(executable(&database, &teller).await.0, all - 1, "all but the trigger's");
    schema::grant(&database.url, &stranger).await.unwrap();
    assert_eq!(executable(&database, &stranger).await.0, all - 1);
    command(format!(r#"DROP OWNED BY {stranger}, "{teller}"; DROP ROLE {stranger}, "{teller}""#)).await;
}
