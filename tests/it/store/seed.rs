//! The demo accounts and the benchmark's accounts.

use florin::store::verify::verify;
use florin::teller::seed::demo;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Florin, Options};

const OPEN_ACCOUNTS: &str = include_str!("../../../load-tests/sql/accounts.sql");

/// As the benchmark does.
async fn open(pool: &PgPool, prefix: &str, (first, last): (i64, i64), cents: i64) -> Result<i64, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::raw_sql(OPEN_ACCOUNTS).execute(&mut *connection).await?;
    sqlx::query_scalar("SELECT pg_temp.open_accounts($1, $2, $3, $4, $5)")
        .bind(Uuid::now_v7())
        .bind(prefix)
        .bind(first)
        .bind(last)
        .bind(cents)
        .fetch_one(&mut *connection)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_again_changes_nothing_even_when_the_keys_have_left() {
    let florin = Florin::start().await;
    let (database, pool) = (florin.database.clone(), florin.database.pool.clone());
    let expected = [
        ("acc-payer-001", "1000.00 USD"),
        ("acc-payee-002", "500.00 USD"),
        ("test-payer-001", "1000.00 USD"),
        ("test-payee-001", "1000.00 USD"),
    ];
    let expected: Vec<_> = expected.map(|(name, balance)| (name.to_owned(), balance.to_owned())).into();
    let (one, other) = tokio::join!(demo(&florin.ledger, &pool), demo(&florin.ledger, &pool));
    assert_eq!((one.unwrap(), other.unwrap()), (expected.clone(), expected));
    florin.pay("k", "acc-payer-001", "acc-payee-002", 100_000).await.unwrap();
    florin.stop().await;
    database.leave_partition().await;
    let florin = Florin::with(database.clone(), Options::default()).await;
    assert!(
        florin.pay("k2", "acc-payer-001", "acc-payee-002", 1).await.unwrap().error.is_some(),
        "the first row of the next partition"
    );
    database.forget_keys().await;
    let again = demo(&florin.ledger, &pool).await.unwrap();
    assert_eq!(
        again[..2],
        [("acc-payer-001".to_owned(), "0.00 USD".to_owned()), ("acc-payee-002".to_owned(), "1500.00 USD".to_owned())]
    );
    let report = verify(&pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean() && report.figures.transactions == 5, "{report}");
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_benchmarks_accounts_are_funded_once_and_can_pay_at_once() {
    let florin = Florin::start().await;
    let pool = florin.database.pool.clone();
    demo(&florin.ledger, &pool).await.unwrap(); // the journal pays from the opening account
    assert_eq!(open(&pool, "bench-", (0, 4_999), 10_00).await.unwrap(), 5_000);
    assert_eq!(open(&pool, "bench-", (5_000, 9_999), 10_00).await.unwrap(), 5_000);
    assert_eq!(open(&pool, "bench-", (9_000, 10_001), 10_00).await.unwrap(), 2);
    assert_eq!(open(&pool, "empty-", (0, 2), 0).await.unwrap(), 3);
    let paid = florin.pay("k", "bench-0", "bench-10001", 10_00).await.unwrap();
    assert!(paid.error.is_none(), "{paid:?}");
    assert_eq!(
        (florin.balance("bench-0").await, florin.balance("bench-10001").await, florin.balance("empty-2").await),
        (0, 20_00, 0)
    );
    florin.pay("from opening", "florin-opening-usd", "empty-0", 1).await.unwrap();
    florin.pay("from bulk", "florin-bulk-usd", "empty-1", 1).await.unwrap();
    let refused = open(&pool, "empty-", (3, 3), 10_00).await;
    assert!(refused.is_err(), "the rows of the account that pays would not rise");
    let report = verify(&pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.figures.accounts, 10_002 + 3 + 6);
    florin.stop().await;
}
