//! What lies over many partitions is read like what lies in one.

use florin::store::outbox as store;
use florin::store::verify::verify;
use futures::future::join_all;

use crate::harness::{Florin, Options, TestDatabase};

// Fails when a chain is followed within one partition alone, or when a batch that begins a partition does not go on with what memory knows.
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
