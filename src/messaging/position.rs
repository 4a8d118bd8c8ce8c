//! A publisher's position as Kafka keeps it: a record in the same transaction as the events that it is about.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::KafkaConfig;
use super::producer::{Failure, Stopping, blocking};

const CALL: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(45);
/// The newest position is nearly always among this many records at the end of the topic.
const TAIL: i64 = 1000;

/// Logs the client's messages at debug only: the end of a partition is expected here, and real failures come back from
/// the calls.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "while the position is read");
    }
}

impl ConsumerContext for Quiet {}

/// What a publisher records about itself in every transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The publisher's name, which is the record's key.
    pub publisher: String,
    /// The place of the last event that was published.
    pub position: i64,
    /// The position before this transaction.
    pub previous: i64,
    /// A hash of the last event: tells it from another one at the same place.
    pub last: String,
    /// Kafka's cluster id.
    pub cluster: String,
    /// The database's system identifier.
    pub system: String,
    /// The database's timeline, which tells its histories apart.
    pub timeline: i64,
}

impl Position {
    /// The record's value, as JSON.
    ///
    /// # Panics
    /// Never: texts and integers always encode.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("texts and integers encode")
    }
}

/// Why the position could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Kafka was away, or slow.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// A transaction stays open in front of the end.
    #[error(
        "a transaction of another producer has been open on {topic}/{partition} for {seconds} s, in front of what must be read"
    )]
    Open {
        /// The topic of positions.
        topic: String,
        /// The topic partition.
        partition: i32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The end of the topic with this name was not reached in time.
    #[error("{0} could not be read to its end in time")]
    Slow(String),
    /// The record cannot be understood: a newer version wrote it, or another program.
    #[error("the position of {publisher} cannot be read: {error}")]
    Unreadable {
        /// The publisher's name, which is the record's key.
        publisher: String,
        error: String,
    },
    /// The caller was to stop, or the read was cut off.
    #[error(transparent)]
    Cut(#[from] Failure),
}

/// Reads the newest committed position of a publisher, to the very end of its topic partition. `None`: it has none.
///
/// # Errors
/// See [`ReadError`].
pub async fn read_position(
    config: &KafkaConfig,
    publisher: &str,
    partition: i32,
    stop: &impl Stopping,
) -> Result<Option<Position>, ReadError> {
    let reader = Reader { config: config.clone(), publisher: publisher.to_owned(), partition };
    let started = Instant::now();
    loop {
        let again = reader.clone();
        if let Some(found) = blocking(move || again.read()).await?? {
            return Ok(found);
        }
        if stop.stopping() {
            return Err(Failure::Stopped.into());
        }
        if started.elapsed() > PATIENCE {
            return Err(ReadError::Open {
                topic: config.position_topic.clone(),
                partition,
                seconds: started.elapsed().as_secs(),
            });
        }
        tokio::time::sleep(CALL / 5).await;
    }
}

#[derive(Clone)]
struct Reader {
    config: KafkaConfig,
    publisher: String,
    partition: i32,
}

impl Reader {
    /// The outer `None`: a transaction is open in front of the end, so the end cannot be seen yet.
    ///
    /// A read-committed consumer stops at the first open transaction and takes that for the end. So its end is compared
    /// with the true one, which only a read-uncommitted consumer is told.
    fn read(&self) -> Result<Option<Option<Position>>, ReadError> {
        let topic = self.config.position_topic.as_str();
        let (_, end) = self.consumer("read_uncommitted")?.fetch_watermarks(topic, self.partition, CALL * 5)?;
        let consumer = self.consumer("read_committed")?;
        let (start, stable) = consumer.fetch_watermarks(topic, self.partition, CALL * 5)?;
        if stable < end {
            return Ok(None);
        }
        let tail = start.max(end - TAIL);
        let mut found = self.scan(&consumer, tail)?;
        if found.is_none() && tail > start {
            found = self.scan(&consumer, start)?;
        }
        Ok(Some(found))
    }

    fn scan(&self, consumer: &BaseConsumer<Quiet>, start: i64) -> Result<Option<Position>, ReadError> {
        let topic = self.config.position_topic.as_str();
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, self.partition, Offset::Offset(start))?;
        consumer.assign(&assignment)?;
        let (mut found, mut quiet) = (None, Instant::now());
        loop {
            match consumer.poll(CALL / 5) {
                Some(Ok(message)) => {
                    quiet = Instant::now();
                    if message.key() == Some(self.publisher.as_bytes()) {
                        found = message.payload().map(serde_json::from_slice::<Position>);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(_)) | None if quiet.elapsed() > CALL * 10 => return Err(ReadError::Slow(topic.to_owned())),
                Some(Err(_)) | None => {}
            }
        }
        consumer.unassign()?;
        found
            .transpose()
            .map_err(|error| ReadError::Unreadable { publisher: self.publisher.clone(), error: error.to_string() })
    }

    fn consumer(&self, isolation: &str) -> KafkaResult<BaseConsumer<Quiet>> {
        let mut client = self.config.client();
        client
            .set("group.id", "florin.position") // never joined, never committed to
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .set("fetch.wait.max.ms", "10")
            .set_log_level(RDKafkaLogLevel::Error);
        client.create_with_context(Quiet)
    }
}
