//! What `florin migrate` brings, and what everything else refuses.

use florin::store::schema::{self, SchemaError};

use crate::harness::TestDatabase;

#[tokio::test]
async fn only_the_schema_of_this_binary_is_taken() {
    let TestDatabase { url, pool } = TestDatabase::empty().await;
    assert!(matches!(schema::check(&pool).await, Err(SchemaError::Missing)));

    // Two at once wait for each other, and each migration runs once.
    let (one, other) = tokio::join!(schema::migrate(&url, |_| ()), schema::migrate(&url, |_| ()));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    schema::check(&pool).await.unwrap();
    assert_eq!(schema::migrate(&url, |_| ()).await.unwrap(), []);

    let newest = schema::newest();
    let change = async |sql: &'static str| sqlx::query(sql).bind(newest).execute(&pool).await.unwrap().rows_affected();
    assert_eq!(change("UPDATE _sqlx_migrations SET success = false WHERE version = $1").await, 1);
    assert!(matches!(schema::check(&pool).await, Err(SchemaError::Unfinished { version }) if version == newest));
    change("UPDATE _sqlx_migrations SET success = true WHERE version = $1").await;

    change("UPDATE _sqlx_migrations SET checksum = checksum || 'x' WHERE version = $1").await;
    assert!(matches!(schema::check(&pool).await, Err(SchemaError::Changed { version }) if version == newest));

    change("UPDATE _sqlx_migrations SET version = 1000 WHERE version = $1").await;
    let newer = schema::check(&pool).await.unwrap_err();
    assert!(matches!(newer, SchemaError::Newer { found: 1000, .. }), "{newer}");
    assert!(matches!(schema::migrate(&url, |_| ()).await, Err(SchemaError::Newer { .. })));

    change("DELETE FROM _sqlx_migrations WHERE version IN (1000, $1)").await;
    let older = schema::check(&pool).await.unwrap_err();
    assert!(matches!(older, SchemaError::Older { .. }) && older.to_string().contains("`florin migrate`"), "{older}");
}
