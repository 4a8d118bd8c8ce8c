//! Keys are unique in a partition of the journal and looked up in those before it: a change of partition is never seen
//! by whoever repeats a key within the retention.

use std::time::{Duration, Instant};

use florin::store::outbox as store;
use florin_wire::payment_v1 as pb;
use futures::future::join_all;

use crate::harness::money::spawn;
use crate::harness::{Florin, Options, TestDatabase, tally, until};

async fn with_partitions_of(rows: i64) -> Florin {
    let florin =
        Florin::with(TestDatabase::fresh().await, Options { partition_rows: rows, ..Options::default() }).await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 10_000_00).await;
    }
    florin
}

/// Pays until the journal has gone on to another partition.
async fn next_partition(florin: &Florin, name: &str) {
    store::grow(&florin.database.pool, 2).await.unwrap();
    let closed = "SELECT count(*) FROM journal_partitions WHERE closed_at IS NOT NULL";
    let before = florin.database.count(closed).await;
    for n in 0.. {
        if florin.database.count(closed).await > before {
            break;
        }
        assert!(florin.pay(&format!("next-{name}-{n}"), "c", "b", 1).await.is_ok() && n < 1_000);
    }
}

// Fails when a batch does not look into the partitions before its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_hammered_while_partitions_change_has_one_effect_two_hundred_times() {
    let florin = with_partitions_of(4).await;
    let noise = |n: usize| -> Vec<String> { (0..8).map(|m| format!("noise-{n}-{m}")).collect() };
    for n in 0..200 {
        store::grow(&florin.database.pool, 3).await.unwrap();
        let (key, noise) = (format!("k{n}"), noise(n));
        let hammer = join_all((0..6).map(|_| florin.pay(&key, "a", "b", 1_00)));
        let others = join_all(noise.iter().map(|key| florin.pay(key, "b", "c", 1)));
        let (answers, others) = tokio::join!(hammer, others);
        assert_eq!(tally(&others)["AUTHORIZED"], 8);
        let counts = tally(&answers);
        assert_eq!((counts["AUTHORIZED"], counts["DUPLICATE"]), (1, 5), "{key}: {counts:?}");
        if n % 10 == 0 {
            next_partition(&florin, &key).await;
        }
        assert_eq!(
            florin.pay(&key, "a", "b", 1_00).await.unwrap().status(),
            pb::PaymentStatus::Duplicate,
            "{key}: after the change"
        );
        assert_eq!(
            florin.pay(&key, "a", "b", 2_00).await.unwrap_err().code(),
            tonic::Code::Aborted,
            "{key}: another request"
        );
        if n % 20 == 19 {
            // Keys older than the retention: nobody repeats them any more.
            let old = "UPDATE journal_partitions SET closed_at = closed_at - interval '2 h' WHERE keys AND number < (SELECT max(number) FROM journal_partitions WHERE closed_at IS NOT NULL) - 5";
            sqlx::query(old).execute(&florin.database.pool).await.unwrap();
            while store::forget_keys(&florin.database.pool, Duration::from_secs(3_600)).await.unwrap().is_some() {}
        }
    }
    assert!(florin.database.count("SELECT count(*) FROM journal_partitions WHERE closed_at IS NOT NULL").await >= 200);
    let report = florin::store::verify::verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    florin.stop().await;
}

// Fails when keys leave before their partition is older than the retention.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_kept_until_their_partition_is_older_than_the_retention() {
    let florin = with_partitions_of(8).await;
    let _ = florin.database.clone().damaged(); // its key is forgotten and used again, which the books call a key twice
    assert!(florin.pay("k", "a", "b", 1_00).await.is_ok());
    for n in 0..3 {
        next_partition(&florin, &n.to_string()).await;
        assert_eq!(store::forget_keys(&florin.database.pool, Duration::from_secs(3_600)).await.unwrap(), None);
    }
    assert_eq!(florin.pay("k", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    florin.database.age_partitions().await;
    assert_eq!(store::forget_keys(&florin.database.pool, Duration::ZERO).await.unwrap(), Some(1));
    assert_eq!(
        florin.pay("k", "a", "b", 1_00).await.unwrap().status(),
        pb::PaymentStatus::Authorized,
        "it is forgotten"
    );
    florin.tree.stop().await;
}

// Fails when forgetting waits for a reader of the journal, such as a dump, for longer than payments may wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_reads_the_keys_holds_forgetting_back_and_not_the_payments() {
    let florin = with_partitions_of(8).await;
    assert!(florin.pay("k", "a", "b", 1_00).await.is_ok());
    next_partition(&florin, "x").await;
    florin.database.age_partitions().await;
    let mut dump = florin.database.pool.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM journal").execute(&mut *dump).await.unwrap();
    let pool = florin.database.pool.clone();
    let held_back = spawn(async move { store::forget_keys(&pool, Duration::ZERO).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("it waits, or has given up", || async { held_back.is_finished() || florin.database.count(waits).await > 0 })
        .await;
    let began = Instant::now();
    assert_eq!(florin.pay("k2", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    assert_eq!(florin.pay("k", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let refused = held_back.await.unwrap().unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"));
    dump.rollback().await.unwrap();
    assert_eq!(store::forget_keys(&florin.database.pool, Duration::ZERO).await.unwrap(), Some(1));
    florin.stop().await;
}
