//! Partitions come and go, live rows stay; what waits too long is said.

use std::time::Duration;

use florin::actors::housekeeping::{Backpressure, Housekeeping, HousekeepingArgs, HousekeepingConfig, HousekeepingMessage, Limits};
use florin::store::outbox as store;
use ractor::Actor;

use crate::outbox::rig::{Rig, wait};

async fn partitions(rig: &Rig) -> Vec<(i64, i64)> {
    sqlx::query_as("SELECT lower, upper FROM outbox_partitions ORDER BY lower").fetch_all(&rig.pool).await.unwrap()
}

async fn insert(rig: &Rig, count: i32) {
    sqlx::query("INSERT INTO outbox (event, aggregate, body) SELECT 1, 'a', '{}' FROM generate_series(1, $1)")
        .bind(count)
        .execute(&rig.pool)
        .await
        .unwrap();
}

async fn rows(rig: &Rig) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&rig.pool).await.unwrap()
}

/// Fails when a partition is dropped whose last id is beyond the position, or younger than the retention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_grow_ahead_and_only_published_old_ones_leave() {
    let rig = Rig::new("partitions").await;
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    assert_eq!(store::grow(&rig.pool, 100, 2).await.unwrap(), 2);
    assert_eq!(store::grow(&rig.pool, 100, 2).await.unwrap(), 0);
    assert_eq!(partitions(&rig).await, [(1, 101), (101, 201)]);
    insert(&rig, 150).await;
    assert_eq!(store::grow(&rig.pool, 100, 2).await.unwrap(), 2);
    assert_eq!(partitions(&rig).await.last(), Some(&(301, 401)));
    assert_eq!(store::shrink(&rig.pool, 99, none).await.unwrap(), 0, "the last id of the first partition is not published");
    assert_eq!(store::shrink(&rig.pool, 100, day).await.unwrap(), 0, "younger than the retention");
    assert_eq!(store::shrink(&rig.pool, 100, none).await.unwrap(), 1);
    assert_eq!(rows(&rig).await, 50);

    // Ids outrun the partitions: the default one catches them, and growing goes on beyond.
    insert(&rig, 400).await;
    let (in_default,): (i64,) = sqlx::query_as("SELECT count(*) FROM outbox_default").fetch_one(&rig.pool).await.unwrap();
    assert_eq!(in_default, 150);
    assert!(store::grow(&rig.pool, 100, 3).await.unwrap() > 0);
    insert(&rig, 300).await;
    assert_eq!(rows(&rig).await, 750);
    assert_eq!(store::shrink(&rig.pool, 500, none).await.unwrap(), 3);
    let (first,): (i64,) = sqlx::query_as("SELECT min(id) FROM outbox").fetch_one(&rig.pool).await.unwrap();
    assert_eq!(first, 501);
    assert_eq!(rows(&rig).await, 350);
}

/// One writes, growing waits for it, another writes behind: its id is the new partition's. Fails when growing looks at the ids without a lock on the
/// whole outbox: the second write found the default partition for its id, and is refused (23514) once the new one has taken it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_falls_between_the_default_partition_and_a_new_one() {
    const WRITE: &str = "INSERT INTO outbox (event, aggregate, body) VALUES (1, 'a', '{}')";
    let rig = Rig::new("between").await;
    let waiting = async |count: i64| {
        wait("they wait", async || {
            let sql =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&rig.pool).await.unwrap() >= count
        })
        .await;
    };
    let mut first = rig.pool.begin().await.unwrap();
    sqlx::query(WRITE).execute(&mut *first).await.unwrap();
    let (pool, other) = (rig.pool.clone(), rig.pool.clone());
    let growing = ractor::concurrency::spawn(async move { store::grow(&pool, 100, 2).await });
    waiting(1).await;
    let second = ractor::concurrency::spawn(async move { sqlx::query(WRITE).execute(&other).await.map(|_| ()) });
    waiting(2).await;
    first.rollback().await.unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(growing.await.unwrap().unwrap(), 2);
    assert_eq!(rows(&rig).await, 1);
}

/// Growing and shrinking all the time while events are written and published: none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_is_kept_while_events_pass_and_backpressure_tells_when_they_do_not() {
    let rig = Rig::new("kept").await;
    let limits = Limits { warn_rows: 10, stop_rows: 100, ..Limits::default() };
    let config = HousekeepingConfig {
        interval: Duration::from_millis(20),
        upkeep_every: 1,
        partition_rows: 50,
        event_retention: Duration::ZERO,
        limits,
        ..HousekeepingConfig::default()
    };
    let backpressure = Backpressure::default();
    let args = HousekeepingArgs { config, pool: rig.pool.clone(), backpressure: backpressure.clone(), faults: rig.args.faults.clone() };
    let (keeper, ended) = Actor::spawn(None, Housekeeping, args).await.unwrap();

    let writers = rig.writers(4, 10, 0.001);
    wait("too many wait", async || backpressure.reason().is_some()).await;
    assert!(backpressure.reason().unwrap().contains("events wait for Kafka"));
    let publisher = rig.start().await;
    writers.more(1000).await;
    let written = writers.stop().await;
    rig.drained().await;
    wait("few wait", async || backpressure.reason().is_none()).await;
    wait("old partitions leave", async || rows(&rig).await < 200).await;
    publisher.stop().await;
    keeper.cast(HousekeepingMessage::Stop).unwrap();
    ended.await.unwrap();
    let events = rig.events().await;
    crate::outbox::rig::assert_order(&events);
    assert_eq!(u64::try_from(events.len()).unwrap(), written);
    assert!(!partitions(&rig).await.is_empty());
}
