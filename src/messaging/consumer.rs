//! Reads messages from topics as a member of a consumer group. Offsets are committed by whoever has done what the
//! messages say, never by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};
use futures::FutureExt as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaConfig;
use super::producer::{Failure, blocking};

/// The largest message that is read, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Messages that the client library fetches ahead, in kibibytes.
const FETCHED_KIB_MAX: &str = "65536";
/// The most that one call into the client library may take.
const CALL: Duration = Duration::from_secs(5);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Empty also if it has none.
    pub body: Vec<u8>,
    /// When the producer or the broker says that it was written; `None` also for what no invoice can say, before the
    /// year 1970 or after 9999.
    pub written_at: Option<DateTime<Utc>>,
}

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub messages_max: usize,
    /// Reached by the last message, or passed by it.
    pub bytes_max: usize,
    /// How long the first message is waited for.
    pub wait: Duration,
    /// How long further ones are waited for.
    pub linger: Duration,
}

/// What one poll read.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub messages: Vec<Received>,
    /// Why something could not be read: of a partition that is away, or that holds what cannot be unpacked.
    pub trouble: Option<String>,
}

/// A member of a consumer group. Dropped, it leaves the group beside its owner: that may take as long as Kafka does not
/// answer.
pub struct Consumer {
    /// Taken when it is dropped.
    inner: Option<Arc<StreamConsumer>>,
}

/// Members that are leaving their groups.
static LEAVING: AtomicUsize = AtomicUsize::new(0);

/// Waits until every member has left its group, but no longer than this: one that does not is missed by the group when
/// its session ends.
pub async fn all_left(limit: Duration) {
    let until = tokio::time::Instant::now() + limit;
    while LEAVING.load(Ordering::Acquire) > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Consumer {
    /// Joins a group. A new group begins at the topics' beginning.
    ///
    /// # Errors
    /// When a setting is wrong. Kafka need not be there.
    pub fn join(config: &KafkaConfig, group: &str, topics: &[&str]) -> Result<Self, KafkaError> {
        let mut client = config.client();
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.message.max.bytes", MESSAGE_BYTES_MAX.to_string())
            .set("queued.max.messages.kbytes", FETCHED_KIB_MAX)
            .set("allow.auto.create.topics", "true");
        let inner: StreamConsumer = client.create()?;
        inner.subscribe(topics)?;
        Ok(Self { inner: Some(Arc::new(inner)) })
    }

    /// # Errors
    /// Never: it is there until it is dropped.
    fn inner(&self) -> Result<Arc<StreamConsumer>, Failure> {
        self.inner.clone().ok_or_else(|| Failure::Renew("the consumer has left its group".into()))
    }

    /// The next messages, in order within each topic partition; none if none came in time. What cannot be read of one
    /// partition keeps nothing of the others back: the client library goes on trying it by itself.
    ///
    /// # Errors
    /// When nothing can be read: the next call may succeed.
    pub async fn batch(&self, bounds: Bounds) -> Result<Batch, KafkaError> {
        let mut trouble = None;
        let Ok(inner) = self.inner() else { return Ok(Batch::default()) };
        let mut batch: Vec<Received> = Vec::new();
        let mut bytes = 0;
        let mut until = tokio::time::Instant::now() + bounds.wait;
        while batch.len() < bounds.messages_max && bytes < bounds.bytes_max {
            let next = match inner.recv().now_or_never() {
                Some(next) => next,
                None => match tokio::time::timeout_at(until, inner.recv()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            match next {
                Ok(message) => batch.push(received(&message)),
                // nobody has written to the topic yet
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition)) => continue,
                Err(error @ KafkaError::MessageConsumption(_)) => {
                    trouble = Some(error.to_string());
                    if tokio::time::Instant::now() >= until {
                        break;
                    }
                    continue;
                }
                Err(error) if batch.is_empty() => return Err(error),
                Err(_) => break, // what was read is used, and the error comes again
            }
            bytes += batch.last().map_or(0, |message| message.body.len());
            if batch.len() == 1 {
                until = tokio::time::Instant::now() + bounds.linger;
            }
        }
        Ok(Batch { messages: batch, trouble })
    }

    /// Says that these messages, and all before them, need not come again. If that is lost, they come again.
    ///
    /// # Errors
    /// When the group has gone on without this member, or Kafka does not answer.
    pub async fn commit(&self, batch: &[Received]) -> Result<(), Failure> {
        let offsets = offsets(batch, |before, offset| before.max(offset + 1)).map_err(unusable)?;
        let inner = self.inner()?;
        blocking(move || inner.commit(&offsets, CommitMode::Sync)).await?.map_err(unusable)
    }

    /// Lets these messages come again.
    ///
    /// # Errors
    /// When the client library refuses; a new consumer then reads from the last commit.
    pub async fn rewind(&self, batch: &[Received]) -> Result<(), Failure> {
        let offsets = offsets(batch, i64::min).map_err(unusable)?;
        let inner = self.inner()?;
        match blocking(move || inner.seek_partitions(offsets, CALL).map(drop)).await? {
            Ok(()) | Err(KafkaError::Seek(_)) => Ok(()), // a topic partition that is another member's now
            Err(error) => Err(unusable(error)),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let Some(last) = self.inner.take() else { return };
        LEAVING.fetch_add(1, Ordering::AcqRel);
        // A thread of its own: the runtime waits for those that it lends, and a client that hangs must not keep the
        // process from ending.
        let leaving = std::thread::Builder::new().name("leave-group".into()).spawn(move || {
            drop(last);
            LEAVING.fetch_sub(1, Ordering::AcqRel);
        });
        if leaving.is_err() {
            LEAVING.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn unusable(error: KafkaError) -> Failure {
    Failure::Renew(error.to_string())
}

fn offsets(batch: &[Received], choose: impl Fn(i64, i64) -> i64) -> Result<TopicPartitionList, KafkaError> {
    let mut chosen: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for message in batch {
        let place = (message.topic.as_str(), message.partition);
        let before = chosen.get(&place).copied().unwrap_or(message.offset);
        chosen.insert(place, choose(before, message.offset));
    }
    let mut list = TopicPartitionList::with_capacity(chosen.len());
    for ((topic, partition), offset) in chosen {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}

fn received(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Received {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        body: message.payload().unwrap_or_default().to_vec(),
        written_at: message.timestamp().to_millis().and_then(written_at),
    }
}

/// Producers write any number here.
fn written_at(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).filter(|at| (1970..=9999).contains(&at.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when the producer's time is taken as it comes: at the last that chrono knows, an entity's local day panics,
    // whenever the message is read.
    #[test]
    fn a_time_that_no_document_can_say_is_none() {
        let last = DateTime::<Utc>::MAX_UTC.timestamp_millis();
        for millis in [i64::MIN, -1, 253_402_300_800_000, last, i64::MAX] {
            assert_eq!(written_at(millis), None, "{millis}");
        }
        for millis in [0, 253_402_300_799_999] {
            assert_eq!(written_at(millis).map(|at| at.timestamp_millis()), Some(millis));
        }
    }
}
