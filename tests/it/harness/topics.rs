//! Topics as others write and read them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const LIMIT: Duration = Duration::from_secs(60);

/// A record as it stands on a topic.
#[derive(Clone, Debug)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// All that a topic has, as far as it is committed; in order within each partition.
pub fn read(brokers: &str, topic: &str) -> Vec<Record> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("group.id", "reader").set("enable.auto.commit", "false");
    client.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
    client.set("fetch.message.max.bytes", "20000000");
    let consumer: BaseConsumer = client.create().unwrap();
    let partitions =
        consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap().topics()[0].partitions().len();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).unwrap() {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let (mut records, mut ends, deadline) = (Vec::new(), HashSet::new(), Instant::now() + LIMIT);
    while ends.len() < partitions {
        assert!(Instant::now() < deadline, "{topic} has no end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let header = |header: rdkafka::message::Header<'_, &[u8]>| {
                    (header.key.to_owned(), String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned())
                };
                records.push(Record {
                    partition: message.partition(),
                    key: message.key().map(<[u8]>::to_vec),
                    headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
                    body: message.payload().unwrap_or_default().to_vec(),
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.insert(partition)),
            Some(Err(error)) => eprintln!("reader: {error}"),
            None => {}
        }
    }
    records
}

/// Writes these bodies to a topic, without keys and headers, and waits until the broker has them.
pub fn write(brokers: &str, topic: &str, bodies: &[impl AsRef<[u8]>]) {
    write_as(brokers, topic, ("none", None), bodies);
}

/// The same, packed by this codec and under this key.
pub fn write_as(brokers: &str, topic: &str, (codec, key): (&str, Option<&str>), bodies: &[impl AsRef<[u8]>]) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("message.max.bytes", "20000000").set("linger.ms", "5");
    client.set("compression.type", codec);
    let producer: BaseProducer = client.create().unwrap();
    for body in bodies {
        let record = || {
            let record = BaseRecord::<str, [u8]>::to(topic).payload(body.as_ref());
            if let Some(key) = key { record.key(key) } else { record }
        };
        while let Err((error, _)) = producer.send(record()) {
            assert!(error.to_string().contains("QueueFull"), "{error}");
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(LIMIT).unwrap();
}

/// The same into the first partition, each under this header.
pub fn write_headed(brokers: &str, topic: &str, (name, value): (&str, &[u8]), bodies: &[impl AsRef<[u8]>]) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("message.max.bytes", "20000000");
    let producer: BaseProducer = client.create().unwrap();
    for body in bodies {
        let headers = OwnedHeaders::new().insert(Header { key: name, value: Some(value) });
        let record = BaseRecord::<(), [u8]>::to(topic).partition(0).headers(headers).payload(body.as_ref());
        producer.send(record).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

/// Makes a topic of one partition that takes no record longer than this.
pub async fn narrow(brokers: &str, topic: &str, bytes_max: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", bytes_max);
    let made = admin.create_topics([&new], &AdminOptions::new().operation_timeout(Some(LIMIT))).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// The same, JSON into one partition.
pub fn write_to(brokers: &str, topic: &str, partition: i32, bodies: &[serde_json::Value]) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let producer: BaseProducer = client.create().unwrap();
    for body in bodies {
        let body = body.to_string();
        producer.send(BaseRecord::<(), str>::to(topic).partition(partition).payload(&body)).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}
