//! PostgreSQL or Kafka lost data: the publisher refuses, names the command, and after it nothing is skipped.

use std::collections::HashSet;

use florin::actors::outbox::judge::Mend;
use florin::actors::outbox::repair::repair;
use florin::resilience::health::Condition;
use florin::store::outbox as store;

use crate::actors::outbox::rig::{Rig, assert_order, nth, wait};
use crate::actors::outbox::servers::postgres;

async fn refuses(rig: &Rig, words: &str) {
    wait("the publisher refuses", async || matches!(rig.condition(), Condition::Down(_))).await;
    let Condition::Down(reason) = rig.condition() else { unreachable!() };
    assert!(reason.contains(words) && reason.contains("`florin outbox repair`"), "{reason}");
}

/// A dump, 1,000 more events published, the dump restored, and new events have passed the position before the publisher
/// is up. Fails when a copy behind the position is taken for a death before the copy: then the new events, which get
/// used places, are skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_is_refused_and_after_repair_nothing_is_skipped() {
    restored("restored", 1000, 1200).await;
}

/// The same with a single batch after the dump, so that the copy equals the position before the last: only the row
/// tells. Fails when the event's hash is not compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_is_refused_even_when_one_batch_was_published_since_and_its_ids_are_taken_again() {
    restored("restoredbatch", 30, 60).await;
}

async fn restored(name: &str, published_since: usize, waiting: usize) {
    let rig = Rig::new(name).await;
    let name = &*rig.name.clone();
    let publisher = rig.start().await;
    for n in 0..100 {
        rig.write(&format!("agg-{}", n % 5)).await;
    }
    rig.drained().await;
    publisher.stop().await;
    let dump = postgres().dir().join(format!("{name}.dump"));
    let dump = dump.to_str().unwrap();
    postgres().tool("pg_dump", name, &["-Fc", "-f", dump]);
    for n in 0..published_since {
        rig.write(&format!("agg-{}", n % 5)).await;
    }
    let publisher = rig.start().await;
    rig.drained().await;
    publisher.stop().await;
    let before: HashSet<String> = rig.events().await.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(before.len(), 100 + published_since);

    rig.pool.close().await;
    postgres().command(&format!("DROP DATABASE {name}")).await;
    postgres().command(&format!("CREATE DATABASE {name}")).await;
    postgres().tool("pg_restore", name, &[dump]);
    let mut rig = rig;
    rig.pool = postgres().pool(name).await;
    rig.args.pool = rig.pool.clone();
    for n in 0..waiting {
        rig.write(&format!("new-{}", n % 5)).await; // payments go on before the publisher is up
    }
    let publisher = rig.start().await;
    refuses(&rig, "PostgreSQL lost data").await;
    rig.write("new-0").await; // and while it refuses
    assert_eq!(rig.events().await.len(), before.len(), "a publisher that refuses publishes nothing");

    let repaired = repair(&rig.args.config, &rig.args.kafka, &rig.pool, None).await.unwrap();
    assert_eq!(
        repaired.mended,
        Mend::Again { after: nth(100), to: nth(i64::try_from(100 + published_since).unwrap()) }
    );
    assert_eq!(repaired.again, i64::try_from(waiting + 1).unwrap());
    rig.write("new-1").await;
    rig.drained().await;
    wait("health recovers", async || rig.condition() == Condition::Up).await;
    publisher.stop().await;
    let events = rig.events().await;
    let after: HashSet<String> = events.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(after.len(), events.len(), "nothing twice");
    assert_eq!(events.len(), before.len() + waiting + 2);
    for (id, _) in rig.table().await {
        assert!(after.contains(&id), "{id} was skipped");
    }
    let new: Vec<_> = events.into_iter().filter(|event| event.key.starts_with("new-")).collect();
    assert_order(&new);
    let nothing = repair(&rig.args.config, &rig.args.kafka, &rig.pool, None).await.unwrap();
    assert_eq!(nothing.mended, Mend::Nothing);
}

/// Fails when a missing position is taken for a first start: everything would be published again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_the_position_is_refused_until_repaired() {
    let mut rig = Rig::new("brokerlost").await;
    let publisher = rig.start().await;
    for _ in 0..10 {
        rig.write("a").await;
    }
    rig.drained().await;
    publisher.stop().await;
    rig.args.kafka.position_topic = format!("{}.position2", rig.name);
    florin::messaging::topics::ensure_topics(&rig.args.kafka).await.unwrap();
    let publisher = rig.start().await;
    refuses(&rig, "the broker lost data").await;
    let repaired = repair(&rig.args.config, &rig.args.kafka, &rig.pool, None).await.unwrap();
    assert_eq!(repaired.mended, Mend::Set(nth(10)));
    rig.write("a").await;
    rig.drained().await;
    assert_eq!(rig.assert_exactly_once().await, 11);
    publisher.stop().await;
    // On request the last three are published again.
    repair(&rig.args.config, &rig.args.kafka, &rig.pool, Some(nth(9))).await.unwrap();
    let publisher = rig.start().await;
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(rig.events().await.len(), 14);
}

/// Another cluster, as the copy says: refused, unless the publisher may start over (development).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_is_refused_or_started_over() {
    let mut rig = Rig::new("othercluster").await;
    rig.write("a").await;
    rig.write("a").await;
    let database = store::database(&rig.pool).await.unwrap();
    let copy = store::Copy { position: nth(1), cluster: "another".into(), database };
    store::write_copy(&rig.pool, "main", &copy).await.unwrap();
    let publisher = rig.start().await;
    refuses(&rig, "another Kafka cluster").await;
    publisher.stop().await;
    rig.args.config.start_over = true;
    let publisher = rig.start().await;
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 2);
}

/// Fails when the policy is not looked at: positions would be deleted after a week.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_topic_that_forgets_is_refused() {
    let mut rig = Rig::new("forgetful").await;
    rig.args.kafka.position_topic = rig.args.kafka.florin_topic.clone();
    let publisher = rig.start().await;
    wait(
        "health says so",
        async || matches!(rig.condition(), Condition::Degraded(reason) if reason.contains("cleanup.policy=delete")),
    )
    .await;
    publisher.stop().await;
}
