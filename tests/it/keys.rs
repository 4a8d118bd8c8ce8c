//! Keys live in generations, and a switch of generations is never seen by whoever repeats a key within the retention.

use std::time::{Duration, Instant};

use florin::protocol::pb::payment_v1 as pb;
use futures::future::join_all;

use crate::harness::money::spawn;
use crate::harness::{Florin, Options, TestDatabase, tally, until};

/// Switches once; it gives up while the lanes are busy, and then it has done nothing.
async fn switch(florin: &Florin) {
    until("it has switched", || async {
        match sqlx::query_scalar::<_, bool>("SELECT switch_key_generation('0 s')").fetch_one(&florin.database.pool).await {
            Ok(switched) => switched,
            Err(error) => {
                assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"), "{error}");
                false
            }
        }
    })
    .await;
}

// The switch has no retention here, so each key may live through one switch and no more: exactly what a retention guarantees to a key
// that is as young as the generation it was written in. Fails when a batch does not look into the generation before, when a lane reads
// its generation without the lock, or when the switch does not lock every lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_hammered_while_generations_switch_has_one_effect_two_hundred_times() {
    let florin = Florin::with(TestDatabase::fresh().await, Options { lanes: 2, ..Options::default() }).await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 10_000_00).await;
    }
    let noise = |n: usize| -> Vec<String> { (0..4).map(|m| format!("noise-{n}-{m}")).collect() };
    for n in 0..200 {
        let (key, noise) = (format!("k{n}"), noise(n));
        let hammer = join_all((0..6).map(|_| florin.pay(&key, "a", "b", 1_00)));
        let others = join_all(noise.iter().map(|key| florin.pay(key, "b", "c", 1)));
        let (answers, others, ()) = tokio::join!(hammer, others, switch(&florin));
        assert_eq!(tally(&others)["AUTHORIZED"], 4);
        let counts = tally(&answers);
        assert_eq!((counts["AUTHORIZED"], counts["DUPLICATE"]), (1, 5), "{key}: {counts:?}");
        assert_eq!(florin.pay(&key, "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Duplicate, "{key}: after the switch");
        assert_eq!(florin.pay(&key, "a", "b", 2_00).await.unwrap_err().code(), tonic::Code::Aborted, "{key}: another request");
    }
    assert_eq!(florin.database.posted("b").await, 10_000_00 + 200 * 1_00 - 800);
    assert!(florin.database.count("SELECT max(generation) FROM key_generations").await >= 200);
    florin.stop().await;
}

// Fails when the switch drops a generation whose successor is younger than the retention.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_kept_until_its_successor_is_older_than_the_retention() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    florin.database.account("b", 0).await;
    assert!(florin.pay("k", "a", "b", 1_00).await.is_ok());
    let try_switch = |retention: &'static str| {
        let pool = florin.database.pool.clone();
        async move { sqlx::query_scalar::<_, bool>("SELECT switch_key_generation($1::text::interval)").bind(retention).fetch_one(&pool).await.unwrap() }
    };
    assert!(!try_switch("1 h").await, "the current one is young");
    switch(&florin).await;
    for _ in 0..5 {
        assert!(!try_switch("1 h").await, "the successor is young");
    }
    assert_eq!(florin.pay("k", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    florin.stop().await;
}

// Fails when the switch waits for a reader of the keys, such as a dump, while it holds every lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_reads_the_keys_holds_the_switch_back_and_not_the_payments() {
    let florin = Florin::start().await;
    florin.database.account("a", 10_00).await;
    florin.database.account("b", 0).await;
    let mut dump = florin.database.pool.begin().await.unwrap();
    for table in ["SELECT count(*) FROM keys_even", "SELECT count(*) FROM keys_odd"] {
        sqlx::query(table).execute(&mut *dump).await.unwrap();
    }
    let pool = florin.database.pool.clone();
    let held_back = spawn(async move { sqlx::query_scalar::<_, bool>("SELECT switch_key_generation('0 s')").fetch_one(&pool).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the switch waits, or has given up", || async { held_back.is_finished() || florin.database.count(waits).await > 0 }).await;
    let began = Instant::now();
    assert_eq!(florin.pay("k", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let refused = held_back.await.unwrap().unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"));
    dump.rollback().await.unwrap();
    switch(&florin).await;
    assert_eq!(florin.pay("k", "a", "b", 1_00).await.unwrap().status(), pb::PaymentStatus::Duplicate);
    florin.stop().await;
}
