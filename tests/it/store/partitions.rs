//! What lies over many partitions is read like what lies in one.

use florin::store::outbox as store;
use florin::store::verify::verify;
use florin_wire::payment_v1 as pb;
use futures::future::join_all;

use crate::harness::money::Order;
use crate::harness::{Florin, Options, TestDatabase};

// Fails when a chain is followed within one partition alone, or when a batch that begins a partition does not go on
// with what memory knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_postings_are_found_in_order_over_all_partitions() {
    let florin = Florin::with(TestDatabase::fresh().await, Options { partition_rows: 30, ..Options::default() }).await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 1_000_00).await;
    }
    for round in 0..40 {
        store::grow(&florin.database.pool, 2).await.unwrap();
        let pay = |n: usize| {
            let florin = &florin;
            let (from, to) = [("a", "b"), ("b", "c"), ("c", "a")][n % 3];
            async move { florin.pay(&format!("{round}-{n}"), from, to, 1_00).await.unwrap() }
        };
        let answers = join_all((0..24).map(pay)).await;
        assert!(answers.iter().all(|answer| answer.error.is_none()), "{answers:?}");
    }
    assert!(florin.database.count("SELECT count(*) FROM journal_partitions WHERE closed_at IS NOT NULL").await >= 10);
    let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let listed =
        florin.database.count("SELECT count(*) FROM account_postings((SELECT id FROM accounts WHERE name = 'a'), 9223372036854775807, 10000)").await;
    assert_eq!(listed, 1 + 40 * 16, "the opening, and eight payments in each direction a round");
    let ordered = "SELECT count(*) FROM (SELECT seq, lag(seq) OVER () AS before FROM account_postings((SELECT id FROM accounts WHERE name = 'a'), 9223372036854775807, 10000)) e WHERE seq > before";
    assert_eq!(florin.database.count(ordered).await, 0, "newest first");
    florin.stop().await;
}

// Fails when a batch looks for keys in partitions that never had any, when new partitions remember keys without a
// bound, or when a key, an id or a chain is not found over all the partitions between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_two_thousand_partitions_payments_repeats_and_pages_go_on() {
    let florin = Florin::start().await;
    let pool = &florin.database.pool;
    for name in ["a", "b"] {
        florin.database.account(name, 1_000_00).await;
    }
    assert_eq!(florin.pay("first", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    for first in (3_i64..=500).step_by(50) {
        let made = "SELECT journal_make(n) FROM generate_series($1, least($1 + 49, 500)) n";
        sqlx::query(made).bind(first).execute(pool).await.unwrap();
    }
    sqlx::query("UPDATE journal_partitions SET opened_at = clock_timestamp()").execute(pool).await.unwrap();
    let refused = store::grow(pool, 2).await.unwrap_err().to_string();
    assert!(refused.contains("500 partitions remember keys"), "{refused}");

    // As after so many full ones, or a database that lost as many.
    let database = store::database(pool).await.unwrap();
    let copy = store::Copy { position: (2_000 << 44) - 1, cluster: "none".into(), database };
    store::publish_again(pool, "none", (2_000 << 44) + (7 << 20), &copy).await.unwrap();
    assert_eq!(
        florin.database.count("SELECT count(*) FROM journal_partitions").await,
        2_002,
        "0, those closed, the open one, and one ahead"
    );
    assert_eq!(
        florin.database.count("SELECT count(*) FROM journal_partitions WHERE keys").await,
        3,
        "the first, the open one, and the one ahead"
    );

    for n in 0..100 {
        Order::new(format!("n{n}"), "a", "b", 1_00).insist(std::slice::from_ref(&florin.client)).await;
    }
    assert_eq!(florin.database.count("SELECT count(*) FROM journal WHERE seq > 2000::bigint << 44").await, 100);
    assert_eq!(
        florin.pay("first", "a", "b", 1_00).await.unwrap().status(),
        pb::PaymentStatus::Duplicate,
        "a key of 1,999 partitions ago"
    );
    let postings =
        "SELECT count(*) FROM account_postings((SELECT id FROM accounts WHERE name = 'a'), 9223372036854775807, 10000)";
    assert_eq!(florin.database.count(postings).await, 102, "the opening, the first, and those since");
    let places = "SELECT count(*) FROM journal_places((SELECT array_agg(id) FROM journal WHERE n = 0 AND seq >= 1::bigint << 44))";
    assert_eq!(
        florin.database.count(places).await,
        florin.database.count("SELECT count(*) FROM journal WHERE n = 0 AND seq >= 1::bigint << 44").await
    );
    let report = verify(pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    florin.stop().await;
}
