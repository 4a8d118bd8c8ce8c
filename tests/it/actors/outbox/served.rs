//! The publisher and the housekeeping in their tree, beside payments: what waits for too long stops them, and a lease
//! in doubt keeps a publisher out.

use std::time::{Duration, Instant};

use florin::actors::housekeeping::{Backpressure, HousekeepingConfig, Limits};
use florin::messaging::producer::{Outgoing, Producer, Stopping};
use florin::supervision::tree::Publishing;
use florin_wire::florin_v1 as native;
use florin_wire::payment_v1 as pb;

use crate::actors::outbox::rig::{DEADLINE, Rig};
use crate::actors::outbox::servers;
use crate::harness::money::{Order, reason};
use crate::harness::{Florin, Options, TestDatabase, until};

/// A whole Florin on the rig's database and topics; alice has money.
pub(super) async fn served(rig: &Rig, limits: Limits) -> Florin {
    let publishing = Publishing {
        outbox: rig.args.config.clone(),
        kafka: rig.args.kafka.clone(),
        pool: rig.pool.clone(),
        housekeeping: HousekeepingConfig {
            interval: Duration::from_millis(20),
            limits,
            ..HousekeepingConfig::default()
        },
        backpressure: Backpressure::default(),
    };
    let database = TestDatabase::of(servers::postgres().url(&rig.name), rig.pool.clone());
    database.account("alice", 1_000_00).await;
    database.account("bob", 0).await;
    Florin::with(
        database,
        Options { lease: Duration::from_secs(1), publishing: Some(publishing), ..Options::default() },
    )
    .await
}

/// Fails when the gateway does not ask whether too much waits (seen: payments never end), or when nobody lifts it once
/// it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_waiting_events_stop_writes_until_they_are_published() {
    let rig = Rig::new("pressure").await;
    let florin = served(&rig, Limits { warn_rows: 5, stop_rows: 20, ..Limits::default() }).await;
    florin.faults.hold("outbox.before_read");
    until("the publisher stands still", || async { florin.faults.hits("outbox.before_read") > 0 }).await;
    let mut done = 0;
    let refused = loop {
        match florin.pay(&format!("k{done}"), "alice", "bob", 1).await {
            Ok(answer) => assert_eq!(answer.status(), pb::PaymentStatus::Authorized),
            Err(status) => break status,
        }
        done += 1;
        assert!(done < 10_000, "{done} events wait, and payments go on");
    };
    let is_backpressure = |status: tonic::Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (tonic::Code::Unavailable, "BACKPRESSURE"), "{status:?}");
        assert!(status.message().contains("events wait for Kafka"), "{status:?}");
    };
    assert!(done >= 20, "stopped after {done}");
    is_backpressure(refused);
    is_backpressure(florin.move_money("posted", &[("alice", "bob", "0.01")]).await.unwrap_err());
    let new = native::CreateAccountRequest {
        id: "new".into(),
        kind: 1,
        currency: "USD".into(),
        ..native::CreateAccountRequest::default()
    };
    is_backpressure(florin.native.clone().create_account(new).await.unwrap_err());
    assert_eq!(florin.balance("bob").await, done, "reads go on");
    let effects = florin.database.effects().await;
    assert!(!effects.contains_key(&format!("k{done}")) && !effects.contains_key("posted"), "what was refused was done");

    florin.faults.release("outbox.before_read");
    until("payments go on", || async { florin.pay(&format!("k{done}"), "alice", "bob", 1).await.is_ok() }).await;
    florin.move_money("posted", &[("alice", "bob", "0.01")]).await.unwrap();
    assert_eq!(florin.balance("bob").await, done + 2);
    rig.drained().await;
    florin.stop().await;
    assert_eq!(i64::try_from(rig.assert_exactly_once().await).unwrap(), done + 2);
}

/// Fails when an account's events are keyed otherwise than by the account, or when a schema lacks what an event says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_hears_of_accounts_in_order_by_their_key() {
    let rig = Rig::new("accounts").await;
    let florin = served(&rig, Limits::default()).await;
    let new = native::CreateAccountRequest {
        id: "ada \u{1F980}".into(),
        kind: 1,
        currency: "USD".into(),
        ..native::CreateAccountRequest::default()
    };
    florin.native.clone().create_account(new).await.unwrap();
    for status in [native::AccountStatus::Suspended, native::AccountStatus::Active, native::AccountStatus::Closed] {
        florin.update(crate::gateway::native::set_status("ada \u{1F980}", status)).await.unwrap();
    }
    rig.drained().await;
    florin.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 4);
    let events = rig.events().await;
    let heard: Vec<(&str, &str)> =
        events.iter().map(|event| (event.key.as_str(), event.body["event_type"].as_str().unwrap())).collect();
    assert_eq!(heard.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["ada \u{1F980}"; 4]);
    assert_eq!(
        heard.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
        ["AccountCreated", "AccountChanged", "AccountChanged", "AccountChanged"]
    );
    assert_eq!(events[3].body["payload"]["after"]["status"], "closed");
}

struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

/// Fails when a publisher connects to Kafka without a look at the lease (seen: it shuts the other one out).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_was_shut_out_comes_back_only_under_a_confirmed_lease() {
    keeps_out_until_confirmed("unconfirmed", false).await;
}

/// Fails as the one above does, and when only a publisher that failed and is started again looks at the lease, not one
/// that connects again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_lost_its_connection_comes_back_only_under_a_confirmed_lease() {
    keeps_out_until_confirmed("unconfirmedcut", true).await;
}

/// The lease of a node is over and it does not hear of it; another one publishes. The first one's publisher meets the
/// fence, or is cut off.
async fn keeps_out_until_confirmed(name: &str, cut: bool) {
    let rig = Rig::new(name).await;
    let florin = served(&rig, Limits::default()).await;
    florin.pay("before", "alice", "bob", 1).await.unwrap();
    rig.drained().await;
    florin.faults.panic_at("outbox.unconfirmed", u32::MAX, 0); // only counts
    florin.faults.hold("leadership.tick"); // it neither renews nor hears that it lost
    until("the lease is over", || async { !florin.tree.node.is_lease_valid() }).await;

    // As the publisher of a node that has taken over.
    let other = Producer::create(&rig.args.kafka, true).unwrap();
    other.init(&Never).await.unwrap();
    let topic = rig.args.kafka.position_topic.clone();
    let publish = async || {
        other.begin()?;
        other
            .send(
                &[Outgoing { topic: &topic, partition: Some(0), key: Some("somebody else"), body: "{}", tenant: None }],
                &Never,
            )
            .await?;
        other.commit(&Never).await
    };
    publish().await.unwrap();
    if cut {
        servers::postgres()
            .command(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
            .await;
    }
    // No lane was shut out, and its event makes the publisher step.
    let during = Order::new("during", "alice", "bob", 1).insist(std::slice::from_ref(&florin.client)).await;
    assert_ne!(during.status(), pb::PaymentStatus::Declined);
    let deadline = Instant::now() + DEADLINE;
    while florin.faults.hits("outbox.unconfirmed") < 5 {
        let published = publish().await;
        assert!(published.is_ok(), "shut out by a node whose lease is over: {published:?}");
        assert!(Instant::now() < deadline, "the publisher has not noticed");
    }
    publish().await.unwrap();

    florin.faults.release("leadership.tick");
    until("the lease is confirmed", || async { florin.tree.node.is_lease_valid() }).await;
    rig.drained().await;
    assert!(publish().await.is_err(), "two publish");
    other.close().await;
    florin.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 2);
}
