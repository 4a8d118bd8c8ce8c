//! Several lanes that meet on the same accounts.

use florin::store::verify::verify;
use futures::future::join_all;

use crate::harness::{Florin, Options, TestDatabase};

// Fails when `commit_batch` keeps a number that is below the account's newest posting (without `number_anew`): verify finds broken chains.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_postings_are_numbered_in_the_order_of_their_batches_whichever_lane_wrote_them() {
    let florin = Florin::with(TestDatabase::fresh().await, Options { lanes: 4, ..Options::default() }).await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 1_000_00).await;
    }
    for round in 0..40 {
        let pay = |n: usize| {
            let florin = &florin;
            let (from, to) = [("a", "b"), ("b", "c"), ("c", "a")][n % 3];
            async move { florin.pay(&format!("{round}-{n}"), from, to, 1_00).await.unwrap() }
        };
        let answers = join_all((0..24).map(pay)).await;
        assert!(answers.iter().all(|answer| answer.error.is_none()), "{answers:?}");
    }
    let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let listed =
        florin.database.count("SELECT count(*) FROM account_postings((SELECT id FROM accounts WHERE name = 'a'), 9223372036854775807, 10000)").await;
    assert_eq!(listed, 1 + 40 * 16, "the opening, and eight payments in each direction a round");
    florin.stop().await;
}
