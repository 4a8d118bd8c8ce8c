//! What a consumer that reads only what is committed finds on the topics, compared with the journal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use super::load::{Load, open_accounts};
use super::site::Site;
use crate::harness::topics;

const LIMIT: Duration = Duration::from_secs(60);

/// What the comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub events: usize,
    pub lost: usize,
    pub doubled: usize,
    pub unknown: usize,
    /// Records that come behind one of a later place in their partition.
    pub disordered: usize,
}

impl Site {
    /// Events that wait for Kafka, by the journal and the position's copy.
    pub async fn waiting_events(&self) -> i64 {
        let waiting = "SELECT count(*) FROM journal WHERE event IS NOT NULL AND n = 0 AND seq > coalesce((SELECT max(position) FROM outbox_positions), 0)";
        self.database.count(waiting).await
    }

    /// Waits until all events are published, and asserts that a consumer gets each of them once, in order.
    pub async fn assert_events_once(&self) -> usize {
        let deadline = Instant::now() + LIMIT;
        while self.waiting_events().await > 0 {
            assert!(Instant::now() < deadline, "{} events still wait after {LIMIT:?}", self.waiting_events().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let count = self.count_events().await;
        let want = Count { events: count.events, ..Count::default() };
        assert_eq!(count, want);
        assert!(count.events > 0);
        count.events
    }

    pub async fn count_events(&self) -> Count {
        let ids: HashMap<String, i64> =
            self.database.events().await.iter().map(|event| (id(event.body.as_bytes()), event.id)).collect();
        let (brokers, topics) = (
            self.brokers.clone(),
            ["paymentauthorized", "paymentdeclined"].map(|event| format!("{}.{event}", self.name)),
        );
        let partitions = tokio::task::spawn_blocking(move || {
            topics.iter().flat_map(|topic| read(&brokers, topic).into_values()).collect::<Vec<_>>()
        })
        .await
        .unwrap();
        let (mut count, mut seen) = (Count::default(), HashMap::<&str, usize>::new());
        for partition in &partitions {
            let mut last = 0;
            for event in partition {
                count.events += 1;
                *seen.entry(event).or_default() += 1;
                match ids.get(event) {
                    None => count.unknown += 1,
                    Some(id) if *id < last => count.disordered += 1,
                    Some(id) => last = *id,
                }
            }
        }
        count.doubled = seen.values().filter(|times| **times > 1).count();
        count.lost = ids.keys().filter(|id| !seen.contains_key(id.as_str())).count();
        count
    }
}

/// An event's id.
fn id(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["event_id"].as_str().unwrap().to_owned()
}

/// The event ids of a topic by partition, as far as they are committed.
fn read(brokers: &str, topic: &str) -> HashMap<i32, Vec<String>> {
    let mut events = HashMap::<i32, Vec<String>>::new();
    for record in topics::read(brokers, topic) {
        events.entry(record.partition).or_default().push(id(&record.body));
    }
    events
}

/// The control of every test that counts events: one record more, one that nobody wrote, and both are seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubled_event_and_a_stranger_are_seen() {
    let site = Site::new().await;
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 2);
    load.more(30).await;
    load.settle(&site).await;
    let events = site.assert_events_once().await;

    let body = site.database.events().await[0].body.to_string();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &site.brokers).create().unwrap();
    let stranger = body.replace("\"event_id\":\"", "\"event_id\":\"X");
    for body in [&body, &stranger] {
        producer
            .send(BaseRecord::to(&format!("{}.paymentauthorized", site.name)).key("k").payload(body).partition(0))
            .unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
    let count = site.count_events().await;
    assert_eq!((count.events, count.lost, count.doubled, count.unknown), (events + 2, 0, 1, 1));
    assert_eq!(count.disordered, 1, "the copy comes behind all others");
}
