//! Partitions are made ahead beside writers, keys leave with the oldest ones; what waits too long is said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use florin::actors::housekeeping::{
    Backpressure, Housekeeping, HousekeepingArgs, HousekeepingConfig, HousekeepingMessage, Limits,
};
use florin::actors::journal::{Journal, JournalConfig};
use florin::store::Database;
use florin::store::outbox as store;
use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorRef};

use crate::actors::outbox::rig::{Rig, wait};
use crate::actors::outbox::servers::postgres;

/// Number, whether it was opened, closed, and has keys.
async fn partitions(rig: &Rig) -> Vec<(i64, bool, bool, bool)> {
    let sql =
        "SELECT number, opened_at IS NOT NULL, closed_at IS NOT NULL, keys FROM journal_partitions ORDER BY number";
    sqlx::query_as(sql).fetch_all(&rig.pool).await.unwrap()
}

const INTERVAL: Duration = Duration::from_millis(20);

/// A housekeeping that looks every 20 ms, and tends partitions each time.
async fn keeper(rig: &Rig, limits: Limits) -> (ActorRef<HousekeepingMessage>, JoinHandle<()>, Backpressure) {
    let config = HousekeepingConfig {
        interval: INTERVAL,
        upkeep_every: 1,
        partitions_ahead: 4,
        limits,
        ..HousekeepingConfig::default()
    };
    let journal = Journal::new(JournalConfig {
        database: Database::new(&postgres().url(&rig.name)).unwrap(),
        epoch: 0,
        holder: "node".into(),
        writers: 1,
        partition_rows: 1_000_000,
        batch_max: 1,
        answer_timeout: Duration::from_secs(1),
        fenced: Arc::new(|| ()),
        committed: Arc::default(),
        health: rig.args.health.clone(),
        faults: rig.args.faults.clone(),
    });
    let backpressure = Backpressure::default();
    let args = HousekeepingArgs {
        config,
        pool: rig.pool.clone(),
        backpressure: backpressure.clone(),
        journal,
        faults: rig.args.faults.clone(),
    };
    let (keeper, ended) = Actor::spawn(None, Housekeeping, args).await.unwrap();
    (keeper, ended, backpressure)
}

/// Fails when a partition is made by something that waits for writers, such as a lock on the whole journal (then it
/// runs into its time limit).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_made_ahead_beside_writers_and_readers_of_the_journal() {
    let rig = Rig::new("partitions").await;
    assert_eq!(partitions(&rig).await, [(0, true, false, false), (1, true, false, true), (2, false, false, true)]);
    let (mut writer, mut reader) = (rig.pool.begin().await.unwrap(), rig.pool.begin().await.unwrap());
    sqlx::raw_sql("SELECT test_tell(1::smallint, 'a', '{}')").execute(&mut *writer).await.unwrap();
    sqlx::raw_sql("SELECT count(*) FROM journal").execute(&mut *reader).await.unwrap();
    assert_eq!(store::grow(&rig.pool, 3).await.unwrap(), 2);
    assert_eq!(store::grow(&rig.pool, 3).await.unwrap(), 0);
    writer.commit().await.unwrap();
    reader.commit().await.unwrap();
    assert_eq!(partitions(&rig).await.last(), Some(&(4, false, false, true)));
    assert_eq!(store::grow(&rig.pool, 1_000).await.unwrap(), 1, "four at most");
}

/// Fails when keys leave that are younger than the retention, or than an hour, or those of the partition that is
/// written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_leave_with_closed_partitions_that_are_old() {
    let rig = Rig::new("oldkeys").await;
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    assert_eq!(store::forget_keys(&rig.pool, none).await.unwrap(), None, "it is written");
    sqlx::raw_sql("UPDATE journal_partitions SET closed_at = clock_timestamp() WHERE number = 1; UPDATE journal_partitions SET opened_at = clock_timestamp() WHERE number = 2")
        .execute(&rig.pool)
        .await
        .unwrap();
    assert_eq!(store::forget_keys(&rig.pool, none).await.unwrap(), None, "younger than an hour");
    sqlx::raw_sql("UPDATE journal_partitions SET closed_at = clock_timestamp() - interval '2 h' WHERE number = 1")
        .execute(&rig.pool)
        .await
        .unwrap();
    assert_eq!(store::forget_keys(&rig.pool, day).await.unwrap(), None, "younger than the retention");
    assert_eq!(store::forget_keys(&rig.pool, none).await.unwrap(), Some(1));
    assert_eq!(store::forget_keys(&rig.pool, none).await.unwrap(), None);
    let left: Vec<String> =
        sqlx::query_scalar("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'journal_1'::regclass")
            .fetch_all(&rig.pool)
            .await
            .unwrap();
    assert!(!left.is_empty() && left.iter().all(|name| !name.contains("_key")), "{left:?}");
    assert_eq!(store::note_times(&rig.pool).await.unwrap(), Some(1));
    assert_eq!(store::note_times(&rig.pool).await.unwrap(), None);
}

/// Backpressure comes when events do not pass, and goes when they do; the house is kept all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_is_kept_while_events_pass_and_backpressure_tells_when_they_do_not() {
    let rig = Rig::new("kept").await;
    let limits = Limits { warn_rows: 10, stop_rows: 100, ..Limits::default() };
    let (keeper, ended, backpressure) = keeper(&rig, limits).await;

    let writers = rig.writers(4, 10, 0.001);
    wait("too many wait", async || backpressure.reason().is_some()).await;
    assert!(backpressure.reason().unwrap().contains("events wait for Kafka"));
    let publisher = rig.start().await;
    writers.more(1000).await;
    let written = writers.stop().await;
    rig.drained().await;
    wait("few wait", async || backpressure.reason().is_none()).await;
    publisher.stop().await;
    keeper.cast(HousekeepingMessage::Stop).unwrap();
    ended.await.unwrap();
    let events = rig.events().await;
    crate::actors::outbox::rig::assert_order(&events);
    assert_eq!(u64::try_from(events.len()).unwrap(), written);
    assert_eq!(partitions(&rig).await.len(), 6, "four wait ahead");
}

/// Fails when ticks that come while one is at work queue up (a timer of its own): then they run back to back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_that_an_outage_kept_from_being_made_are_skipped() {
    let rig = Rig::new("ticks").await;
    let faults = rig.args.faults.clone();
    faults.hold("housekeeping.tick");
    let (keeper, ended, _) = keeper(&rig, Limits::default()).await;
    wait("a look is being made", async || faults.hits("housekeeping.tick") > 0).await;
    let outage = Instant::now();
    wait("the outage has lasted", async || outage.elapsed() > 50 * INTERVAL).await;
    assert_eq!(faults.hits("housekeeping.tick"), 1);
    faults.release("housekeeping.tick");
    let back = Instant::now();
    wait("some more were made", async || faults.hits("housekeeping.tick") >= 11).await;
    assert!(back.elapsed() >= 9 * INTERVAL, "ten looks within {:?}", back.elapsed());
    keeper.cast(HousekeepingMessage::Stop).unwrap();
    ended.await.unwrap();
}
