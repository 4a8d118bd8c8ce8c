//! Kafka: where it is, how it is reached, and the names that Florin uses there.

use secrecy::SecretString;

#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas; `None`: not set.
    pub brokers: Option<String>,
    /// `None`: plain.
    pub tls: Option<KafkaTlsSettings>,
    /// `None`: nobody logs in.
    pub sasl: Option<SaslSettings>,
    /// The name of Florin in the brokers' logs and quotas.
    pub client_id: String,
    /// The first part of the topics' names.
    pub topic_prefix: String,
    /// The publisher's transactional id: one for each installation on a cluster.
    pub transactional_id: String,
    /// The topic of Florin's own events.
    pub florin_topic: String,
    /// The topic of the publisher's position: one for each installation on a cluster.
    pub position_topic: String,
    /// The topic of Florin's own events of billing.
    pub invoices_topic: String,
    /// The topic of billing's events in the form of the orders contract.
    pub billing_topic: String,
    /// The topic from which orders are billed.
    pub orders_topic: String,
    /// The consumer group that reads orders.
    pub orders_group: String,
    /// The topics of registrations, and the consumer group that reads them; the first is written to.
    pub users: (Vec<String>, String),
    /// The same of bills.
    pub bills: (Vec<String>, String),
    /// The same of mails to be sent.
    pub notices: (Vec<String>, String),
    /// Whether to publish in Kafka transactions, exactly once; false: at least once.
    pub transactions: bool,
    /// Topic partitions of new topics.
    pub topic_partitions: i32,
    /// Replicas of new topics.
    pub topic_replicas: i32,
    pub dev_broker: DevBroker,
}

/// TLS towards the brokers; their certificates are always checked.
#[derive(Clone, Debug)]
pub struct KafkaTlsSettings {
    /// CA certificates in PEM; `None`: those of the system.
    pub ca_file: Option<String>,
    /// The certificate that is shown, and its key: files in PEM.
    pub certificate: Option<(String, String)>,
}

/// How Florin logs in at the brokers.
#[derive(Clone, Debug)]
pub struct SaslSettings {
    /// As Kafka writes it: `SCRAM-SHA-512`.
    pub mechanism: String,
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevBroker {
    /// The real one if it can be had, else the mock.
    Auto,
    /// librdkafka's mock, in the process.
    Mock,
    /// Apache Kafka.
    Real,
}
