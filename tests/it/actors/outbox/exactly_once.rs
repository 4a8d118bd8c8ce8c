//! None lost, none twice, in order, whatever the publisher and the broker go through.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use florin::messaging::position::read_position;
use florin::messaging::producer::{Outgoing, Producer, Stopping};
use florin::resilience::health::{Condition, Part};

use crate::actors::outbox::rig::{Rig, nth, wait};
use crate::actors::outbox::servers::Kafka;

const POINTS: [&str; 7] = [
    "outbox.before_read",
    "outbox.after_begin",
    "outbox.after_send",
    "outbox.before_commit",
    "outbox.after_commit",
    "outbox.after_copy",
    "outbox.after_commit",
];

/// Fails when the publisher goes on after PostgreSQL's copy instead of Kafka's position (seen: 200 events doubled by
/// after_commit), or when the position is not in the events' transaction (seen: it refuses to go on).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_any_point_neither_loses_nor_doubles_an_event() {
    let rig = Rig::new("panics").await;
    let publisher = rig.start().await;
    let writers = rig.writers(4, 10, 0.002);
    let mut expected = 0;
    for (round, point) in POINTS.into_iter().chain(POINTS).enumerate() {
        rig.args.faults.panic_at(point, u32::try_from(round % 3).unwrap(), 1);
        expected += 1;
        publisher.restarted(expected).await;
        writers.more(50).await;
    }
    let written = writers.stop().await;
    rig.drained().await;
    publisher.stop().await;
    let published = rig.assert_exactly_once().await;
    assert_eq!(u64::try_from(published).unwrap(), written);
    assert!(written > 500, "{written}");
}

/// The control of the test above: without transactions the same panics double events. So the reader does see doubles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_least_once_doubles_events_after_the_same_panics() {
    let rig = Rig::on("control", crate::actors::outbox::servers::kafka(), false).await;
    let publisher = rig.start().await;
    let writers = rig.writers(4, 10, 0.002);
    for round in 1..=3 {
        rig.args.faults.panic_at("outbox.after_send", 1, 1);
        publisher.restarted(round).await;
        writers.more(30).await;
    }
    writers.stop().await;
    rig.drained().await;
    publisher.stop().await;
    let (events, table) = (rig.events().await, rig.table().await);
    let mut seen: HashMap<&str, u32> = HashMap::new();
    events.iter().for_each(|event| *seen.entry(event.id()).or_default() += 1);
    assert!(table.iter().all(|(id, _)| seen.contains_key(id.as_str())), "at least once");
    assert!(events.len() > table.len(), "{} records of {} events: nothing was doubled", events.len(), table.len());
}

/// In the first round the broker dies anywhere; in the second right before a commit, and stays away until the producer
/// is given up. Fails when a commit of unknown outcome is taken for done (seen: the outbox never drains).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_mid_publish_neither_loses_nor_doubles_an_event() {
    let kafka = std::sync::Arc::new(tokio::task::spawn_blocking(Kafka::start).await.unwrap());
    let rig = Rig::on("brokerkill", &kafka, true).await;
    let publisher = rig.start().await;
    rig.write("first").await;
    rig.drained().await;
    let writers = rig.writers(4, 10, 0.002);
    for round in 0..2 {
        writers.more(200).await;
        if round == 0 {
            kafka.kill();
            writers.more(100).await;
        } else {
            rig.args.faults.hold("outbox.before_commit");
            wait("a transaction is about to commit", async || rig.args.faults.hits("outbox.before_commit") > 0).await;
            kafka.kill();
            rig.args.faults.release("outbox.before_commit");
            wait("health says that the broker is away", async || matches!(rig.condition(), Condition::Degraded(_)))
                .await;
        }
        let again = kafka.clone();
        tokio::task::spawn_blocking(move || again.again()).await.unwrap();
    }
    writers.more(100).await;
    let written = writers.stop().await;
    rig.drained().await;
    wait("health recovers", async || rig.condition() == Condition::Up).await;
    publisher.stop().await;
    assert_eq!(u64::try_from(rig.assert_exactly_once().await).unwrap(), written + 1);
}

/// Fails when a session goes on over another connection without being judged anew, or does not go on at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_by_postgresql_is_replaced() {
    let rig = Rig::new("cut").await;
    let publisher = rig.start().await;
    for round in 0..3 {
        for n in 0..20 {
            rig.write(&format!("agg-{n}")).await;
        }
        if round == 1 {
            rig.drained().await;
        }
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'";
        crate::actors::outbox::servers::postgres().command(sql).await;
    }
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 60);
}

/// Fails when an idle publisher does nothing: after a week Kafka forgets its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_publisher_keeps_its_name_known() {
    let mut rig = Rig::new("idle").await;
    rig.args.config.keep_alive = std::time::Duration::from_millis(300);
    let publisher = rig.start().await;
    rig.write("a").await;
    wait("a transaction of the position alone", async || {
        let found = read_position(&rig.args.kafka, "main", 0, &Never).await.unwrap();
        found.is_some_and(|found| (found.position, found.previous) == (nth(1), nth(1)))
    })
    .await;
    publisher.stop().await;
    let publisher = rig.start().await;
    rig.write("a").await;
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 2);
}

/// The development broker has no transactions: there the copy is the position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_transactions_gets_every_event_and_the_position_is_postgresql_s() {
    let mock = rdkafka::mocking::MockCluster::new(1).unwrap();
    let mut rig = Rig::new("mock").await;
    rig.args.kafka.brokers = mock.bootstrap_servers();
    rig.args.config.transactional = false;
    for topic in ["mock.paymentauthorized", "mock.paymentdeclined", "mock.transactions", "mock.dlq"] {
        mock.create_topic(topic, 3, 1).unwrap();
    }
    for _ in 0..2 {
        let publisher = rig.start().await;
        for n in 0..100 {
            rig.write(&format!("agg-{n}")).await;
        }
        rig.drained().await;
        publisher.stop().await;
    }
    assert_eq!(rig.assert_exactly_once().await, 200, "no panic, no doubles");
}

/// Fails when the older producer is not shut out: both would publish the same rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_publisher_shuts_the_first_one_out() {
    let rig = Rig::new("fenced").await;
    let first = rig.start().await;
    rig.write("a").await;
    rig.drained().await;
    let other = florin::actors::outbox::OutboxArgs {
        handle: Default::default(),
        health: Default::default(),
        ..rig.args.clone()
    };
    let second = Rig { name: rig.name.clone(), pool: rig.pool.clone(), args: other };
    let (publisher, writers) = (second.start().await, second.writers(2, 5, 0.001));
    writers.more(50).await;
    first.restarted(1).await; // it met the fence; from now on they fence each other, and still nothing doubles
    let deaths = first.restarts.load(Ordering::Relaxed);
    first.stop().await;
    writers.stop().await;
    second.drained().await;
    publisher.stop().await;
    second.assert_exactly_once().await;
    assert!(deaths >= 1);
}

/// Fails when Stop waits for Kafka: here the broker does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_without_a_broker_still_stops_at_once() {
    let mut rig = Rig::new("nobroker").await;
    rig.args.kafka.brokers = "127.0.0.1:1".into();
    let publisher = rig.start().await;
    wait("health says so", async || matches!(rig.args.health.condition(Part::Outbox), Condition::Degraded(_))).await;
    let started = std::time::Instant::now();
    publisher.stop().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(11), "{:?}", started.elapsed());
}

struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

/// Fails when the read stops at the last stable offset: behind it stands the newest position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_position_is_read_to_the_very_end_past_an_open_transaction_of_another() {
    let rig = Rig::new("openahead").await;
    let publisher = rig.start().await;
    rig.write("a").await;
    rig.drained().await;
    let topic = rig.args.kafka.position_topic.clone();
    let record =
        |key: &'static str| Outgoing { topic: &topic, partition: Some(0), key: Some(key), body: "{}", tenant: None };
    let other = florin::messaging::KafkaConfig { transactional_id: "openahead-other".into(), ..rig.args.kafka.clone() };
    let other = Producer::create(&other, true).unwrap();
    other.init(&Never).await.unwrap();
    other.begin().unwrap();
    other.send(&[record("somebody else")], &Never).await.unwrap();
    rig.write("a").await;
    rig.drained().await; // its position stands behind the open transaction
    let kafka = rig.args.kafka.clone();
    let read = ractor::concurrency::spawn(async move { read_position(&kafka, "main", 0, &Never).await });
    wait("the reader has met the open transaction", async || {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        true
    })
    .await;
    assert!(!read.is_finished(), "it did not wait for the open transaction");
    other.abort(&Never).await.unwrap();
    assert_eq!(read.await.unwrap().unwrap().unwrap().position, nth(2));
    publisher.stop().await;
}
