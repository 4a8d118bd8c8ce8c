//! What maintains the ledger keeps no payment waiting, however much there is to maintain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use florin::protocol::record::Operator;
use florin::store::operators::Doing;
use florin::store::outbox;
use florin_wire::payment_v1::PaymentStatus;
use futures::future::join_all;
use sqlx::Executor;

use crate::harness::cases::is_large;
use crate::harness::money::{Order, spawn};
use crate::harness::{Florin, Options, TestDatabase};
use crate::store::paging::fill;

const TENANT: &str = "default";
/// The longest that a payment may take meanwhile, on a machine that runs other tests as well.
const WORST: Duration = Duration::from_secs(1);

/// Does this while four callers pay without a pause; no payment may take longer than [`WORST`].
async fn beside<T>(florin: &Florin, what: &str, work: impl Future<Output = T>) -> T {
    let done = Arc::new(AtomicBool::new(false));
    let payers: Vec<_> = (0..4)
        .map(|payer| {
            let (client, done, what) = (florin.client.clone(), done.clone(), what.to_owned());
            spawn(async move {
                let mut worst = Duration::ZERO;
                for n in 0.. {
                    let order = Order::new(format!("{what} {payer} {n}"), "a", "b", 1);
                    let began = Instant::now();
                    assert_eq!(order.send(&client).await.unwrap().status(), PaymentStatus::Authorized);
                    worst = worst.max(began.elapsed());
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
                worst
            })
        })
        .collect();
    let began = Instant::now();
    let result = work.await;
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    let worst = join_all(payers).await.into_iter().map(Result::unwrap).max().unwrap();
    println!("{what} took {took:?}; the slowest payment beside it {worst:?}");
    assert!(worst < WORST, "a payment took {worst:?} beside {what}");
    result
}

// Fails when an account's rows are added up under a lock that batches need: such as that of the writer's row, or of a
// partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_payment_waits_for_what_is_compared_rebuilt_and_tended() {
    let (payments, partition) = if is_large() { (10_000_000, 1_000_000) } else { (200_000, 20_000) };
    let database = TestDatabase::fresh().await;
    for name in ["p-0", "p-1", "a", "b"] {
        database.account(name, 1_000_000_00).await;
    }
    Florin::with(database.clone(), Options::default()).await.stop().await; // the writer's row is made
    fill(&database, 2, payments, partition).await;
    let florin = Florin::with(database, Options::default()).await;
    let began = Instant::now();
    while florin.database.count("SELECT seq - journal_tip() FROM folded").await < 0 {
        assert!(began.elapsed() < Duration::from_secs(900), "not folded in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (pool, ledger) = (&florin.database.pool, &florin.ledger);

    let found = beside(&florin, "comparing one account", ledger.reconcile(TENANT, "p-0")).await.unwrap();
    assert!(found.agrees() && found.rows > payments, "{found:?}");
    pool.execute("UPDATE balances SET held = 7 WHERE account IN (SELECT id FROM accounts WHERE name LIKE 'p-%')")
        .await
        .unwrap();
    let by = Operator { name: "key:auditor".into(), reason: String::new(), address: None };
    let doing = Doing { tenant: TENANT, by: &by, correlation: None };
    let before = beside(&florin, "rebuilding one account", ledger.rebuild("p-0", &doing)).await.unwrap();
    assert_eq!((before.held, before.open), (7, 0));
    let found = beside(&florin, "comparing all accounts", ledger.reconcile_all(TENANT)).await.unwrap();
    assert_eq!(found.disagreeing, 1);
    let left = beside(&florin, "rebuilding all accounts", ledger.rebuild_all(&doing)).await.unwrap();
    assert_eq!(left.disagreeing, 0);
    beside(&florin, "making partitions", outbox::grow(pool, 4)).await.unwrap();
    florin.database.age_partitions().await;
    beside(&florin, "forgetting keys", async {
        let mut forgotten = 0;
        // one that somebody reads is left for the next time
        while let Ok(Some(_)) = outbox::forget_keys(pool, Duration::ZERO).await {
            forgotten += 1;
        }
        assert!(forgotten > 0);
    })
    .await;
    beside(&florin, "noting times", async { while outbox::note_times(pool).await.unwrap().is_some() {} }).await;
    florin.stop().await;
}
