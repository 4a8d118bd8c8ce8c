//! Kafka in and out, and only that.
//!
//! Every call into the client library that may block runs on a thread for blocking work and is short; whoever waits is asked
//! between two of them whether it should stop.

pub mod position;
pub mod producer;
pub mod topics;

use std::time::Duration;

use rdkafka::ClientConfig;

/// Where Kafka is, and what florin's things are called there.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Payment events go to `<prefix>.paymentauthorized` and so on.
    pub topic_prefix: String,
    /// Florin's own events.
    pub florin_topic: String,
    /// Where publishers keep their positions.
    pub position_topic: String,
    /// The publisher's name towards Kafka: a newer producer of the same name shuts the older one out.
    pub transactional_id: String,
    /// Partitions of the event topics, when they are created.
    pub partitions: i32,
    /// Replicas of the topics, when they are created; -1: as the broker likes.
    pub replication: i32,
    /// Records larger than this become dead letters, in bytes. The topics are created to allow it.
    pub record_bytes_max: usize,
    /// A transaction that is left open ends by itself after this.
    pub transaction_timeout: Duration,
    /// After so long without success a producer is given up for a new one: the position tells what became of its transaction.
    pub patience: Duration,
    /// More settings for the client library, such as those for TLS and SASL.
    pub properties: Vec<(String, String)>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic_prefix: "payments".into(),
            florin_topic: "florin.transactions".into(),
            position_topic: "florin.outbox.position".into(),
            transactional_id: "florin.outbox".into(),
            partitions: 6,
            replication: -1,
            record_bytes_max: 1_000_000,
            transaction_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(15),
            properties: Vec::new(),
        }
    }
}

impl KafkaConfig {
    /// What every client starts from.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "florin")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("topic.metadata.refresh.interval.ms", "60000");
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client
    }
}
