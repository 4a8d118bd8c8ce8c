//! Writes to Kafka and reads from it, and does nothing else.
//!
//! Every call into the client library that may block is short and runs on a thread for blocking work. Between two such
//! calls the caller is asked whether it should stop.

pub mod consumer;
pub mod position;
pub mod producer;
pub mod topics;

use std::time::Duration;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

/// Where Kafka is, and the names that Florin uses there.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Payment events go to `<prefix>.paymentauthorized` and `<prefix>.paymentdeclined`.
    pub topic_prefix: String,
    /// The topic of Florin's own events of money and accounts.
    pub florin_topic: String,
    /// The topic of Florin's own events of billing.
    pub invoices_topic: String,
    /// The topic of billing's events in the form of the orders contract.
    pub billing_topic: String,
    /// The topic from which orders are billed.
    pub orders_topic: String,
    /// The consumer group that reads orders.
    pub orders_group: String,
    /// Registrations of customers. What Florin writes itself goes to the first topic.
    pub users: Reading,
    /// Bills of shops.
    pub bills: Reading,
    /// Mails to be sent.
    pub notices: Reading,
    /// The topic where publishers keep their positions.
    pub position_topic: String,
    /// The publisher's name towards Kafka: a newer producer of the same name shuts the older one out.
    pub transactional_id: String,
    /// Topic partitions of the event topics, when they are created.
    pub partitions: i32,
    /// Replicas of the topics, when they are created; -1: the broker's default.
    pub replication: i32,
    /// In bytes. A larger record becomes a dead letter; the topics are created to allow records of this size.
    pub record_bytes_max: usize,
    /// After this Kafka ends a transaction that was left open.
    pub transaction_timeout: Duration,
    /// A producer without success for so long is replaced by a new one; the position then tells how its transaction
    /// ended.
    pub patience: Duration,
    /// More settings for the client library, such as those for TLS and SASL.
    pub properties: Vec<(&'static str, String)>,
    /// With which Florin logs in at the brokers.
    pub password: Option<SecretString>,
}

/// Topics that are read together, and the consumer group that reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub topics: Vec<String>,
    pub group: String,
}

impl Reading {
    fn of(topic: &str, group: &str) -> Self {
        Self { topics: vec![topic.into()], group: group.into() }
    }

    /// The topic that is written to.
    pub fn first(&self) -> &str {
        self.topics.first().map_or("", String::as_str)
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic_prefix: "payments".into(),
            florin_topic: "florin.transactions".into(),
            invoices_topic: "florin.invoices".into(),
            billing_topic: "billing.events".into(),
            orders_topic: "orders".into(),
            orders_group: "billing-worker".into(),
            users: Reading::of("users", "insertion"),
            bills: Reading::of("billing", "billing"),
            notices: Reading::of("notify", "notification"),
            position_topic: "florin.outbox.position".into(),
            transactional_id: "florin.outbox".into(),
            partitions: 6,
            replication: -1,
            record_bytes_max: 1_000_000,
            transaction_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(15),
            properties: Vec::new(),
            password: None,
        }
    }
}

impl KafkaConfig {
    /// Where messages of a topic go that can have no effect.
    pub fn dead_letters_of(topic: &str) -> String {
        format!("{topic}.dlq")
    }

    /// The settings that every client has in common.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "florin")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("topic.metadata.refresh.interval.ms", "60000");
        for (name, value) in &self.properties {
            client.set(*name, value);
        }
        if let Some(password) = &self.password {
            client.set("sasl.password", password.expose_secret());
        }
        client
    }
}
