//! The publisher's producer: with transactions, or without for a broker that has none.
//!
//! Callers need to know no more of Kafka's errors than what to do about a [`Failure`]. Errors are sorted here, in this
//! order: fatal, lost identity, retriable (the same function is called again), abort. For all others the producer is
//! replaced: a new one of the same name makes Kafka end the old one's transaction, and the position tells how it ended.

mod delivery;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::KafkaConfig;
use delivery::{Deliveries, Delivery};

/// The most that one call into the client library may take.
const CALL: Duration = Duration::from_secs(1);

/// A record to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    /// `None`: the key decides, or chance if there is none.
    pub partition: Option<i32>,
    /// The message key; `None`: none.
    pub key: Option<&'a str>,
    pub body: &'a str,
    /// Sent as the header `tenant`; `None` for events of payment.v1, which have no headers.
    pub tenant: Option<&'a str>,
}

/// A message that can have no effect, to be sent as it came.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub body: &'a [u8],
    /// Its own, and why it is here.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Why a step did not succeed, named by what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another producer of the same name has taken over, or the client cannot be used any more: the publisher ends.
    #[error("fatal: {0}")]
    Fatal(String),
    /// The producer cannot be used any more: make a new one, and read the position again.
    #[error("{0}")]
    Renew(String),
    /// Abort the transaction, and read the position again.
    #[error("{0}")]
    Abort(String),
    /// A record was refused for itself: by the client, which names it, or by the broker, which refuses the whole
    /// package that it came in.
    #[error("{reason}")]
    Poison {
        /// Which of the records; `None`: not known.
        index: Option<usize>,
        /// A code, and Kafka's words.
        reason: String,
    },
    /// The caller was to stop.
    #[error("stopped")]
    Stopped,
}

/// Tells a long call whether its caller wants it to stop.
pub trait Stopping: Sync {
    fn stopping(&self) -> bool;
}

/// Sends records to Kafka.
pub struct Producer {
    inner: Arc<ThreadedProducer<Deliveries>>,
    transactional: bool,
    patience: Duration,
}

impl Producer {
    /// Makes a producer. It does not connect to Kafka yet.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn create(config: &KafkaConfig, transactional: bool) -> Result<Self, Failure> {
        let mut client = config.client();
        client
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5") // one request per partition; a commit does not wait for it
            .set("compression.codec", "lz4")
            .set("partitioner", "murmur2_random") // as Kafka's own clients choose
            .set("message.max.bytes", config.record_bytes_max.to_string())
            .set("queue.buffering.max.messages", "200000");
        if transactional {
            client
                .set("transactional.id", &config.transactional_id)
                .set("transaction.timeout.ms", config.transaction_timeout.as_millis().to_string());
        } else {
            client.set("message.timeout.ms", config.transaction_timeout.as_millis().to_string());
        }
        let inner = client
            .create_with_context(Deliveries)
            .map_err(|error: KafkaError| Failure::Renew(format!("kafka client: {error}")))?;
        Ok(Self { inner: Arc::new(inner), transactional, patience: config.patience })
    }

    /// Shuts out older producers of the same name, and ends the transaction that they left open. Without transactions
    /// it does nothing.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn init(&self, stop: &impl Stopping) -> Result<(), Failure> {
        if !self.transactional {
            return Ok(());
        }
        self.until_done(stop, |producer| producer.init_transactions(CALL)).await
    }

    /// Kafka's cluster id.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn cluster(&self, stop: &impl Stopping) -> Result<String, Failure> {
        let started = Instant::now();
        loop {
            let producer = self.inner.clone();
            if let Some(cluster) = blocking(move || producer.client().fetch_cluster_id(CALL)).await? {
                return Ok(cluster);
            }
            self.give_up(stop, started, "kafka does not say its cluster id")?;
        }
    }

    /// Opens a transaction. Without transactions it does nothing.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn begin(&self) -> Result<(), Failure> {
        if self.transactional { self.inner.begin_transaction().map_err(|error| self.sort(&error)) } else { Ok(()) }
    }

    /// Sends records, and waits until Kafka has them all or refuses one.
    ///
    /// # Errors
    /// See [`Failure`]. Whether Kafka has any of the records is not known then.
    pub async fn send(&self, records: &[Outgoing<'_>], stop: &impl Stopping) -> Result<(), Failure> {
        let delivery = Arc::new(Delivery::of(records.len()));
        for (index, record) in records.iter().enumerate() {
            let mut message: BaseRecord<'_, str, str, _> =
                BaseRecord::with_opaque_to(record.topic, delivery.clone()).payload(record.body);
            message.key = record.key;
            message.partition = record.partition;
            if let Some(tenant) = record.tenant {
                message.headers = Some(OwnedHeaders::new().insert(Header { key: "tenant", value: Some(tenant) }));
            }
            let started = Instant::now();
            while let Err((error, same)) = self.inner.send(message) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(self.undelivered(&error, Some(index)));
                }
                self.give_up(stop, started, "the kafka client's queue is full")?;
                tokio::time::sleep(CALL / 100).await;
                message = same;
            }
        }
        self.delivered(&delivery, stop).await
    }

    async fn delivered(&self, delivery: &Delivery, stop: &impl Stopping) -> Result<(), Failure> {
        loop {
            tokio::select! {
                result = delivery.done() => return result.map_err(|error| self.undelivered(&error, None)),
                () = tokio::time::sleep(CALL / 4) => if stop.stopping() { return Err(Failure::Stopped) },
            }
        }
    }

    /// Sends a dead letter, and waits until Kafka has it.
    ///
    /// # Errors
    /// See [`Failure`]. Whether Kafka has it is not known then.
    pub async fn send_letter(&self, letter: &Letter<'_>, stop: &impl Stopping) -> Result<(), Failure> {
        let delivery = Arc::new(Delivery::of(1));
        let mut message: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(letter.topic, delivery.clone()).payload(letter.body);
        message.key = letter.key;
        let headers = letter.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header { key: name, value: value.as_ref() })
        });
        message.headers = Some(headers);
        self.inner.send(message).map_err(|(error, _)| self.undelivered(&error, Some(0)))?;
        self.delivered(&delivery, stop).await
    }

    /// Commits: Kafka then has the records together with the position. Without transactions it does nothing.
    ///
    /// # Errors
    /// See [`Failure`]. After [`Failure::Renew`] and [`Failure::Stopped`] only the position tells how the transaction
    /// ended.
    pub async fn commit(&self, stop: &impl Stopping) -> Result<(), Failure> {
        if !self.transactional {
            return Ok(());
        }
        self.until_done(stop, |producer| producer.commit_transaction(CALL)).await
    }

    /// Aborts: Kafka then has nothing of the transaction. Without transactions it does nothing.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn abort(&self, stop: &impl Stopping) -> Result<(), Failure> {
        if !self.transactional {
            return Ok(());
        }
        match self.until_done(stop, |producer| producer.abort_transaction(CALL)).await {
            Err(Failure::Abort(reason)) => Err(Failure::Renew(reason)), // aborting an abort would go on for ever
            other => other,
        }
    }

    /// Ends the producer on a thread for blocking work: it waits a moment for its own threads.
    pub async fn close(self) {
        let _ = blocking(move || drop(self)).await;
    }

    async fn until_done(
        &self,
        stop: &impl Stopping,
        call: fn(&ThreadedProducer<Deliveries>) -> Result<(), KafkaError>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            let producer = self.inner.clone();
            let Err(error) = blocking(move || call(&producer)).await? else { return Ok(()) };
            if !retriable(&error) {
                return Err(self.sort(&error));
            }
            self.give_up(stop, started, &error.to_string())?;
        }
    }

    fn give_up(&self, stop: &impl Stopping, started: Instant, reason: &str) -> Result<(), Failure> {
        if stop.stopping() {
            Err(Failure::Stopped)
        } else if started.elapsed() > self.patience {
            Err(Failure::Renew(format!("{reason} (for {} s)", started.elapsed().as_secs())))
        } else {
            Ok(())
        }
    }

    fn sort(&self, error: &KafkaError) -> Failure {
        if let Some((code, text)) = self.inner.client().fatal_error() {
            return Failure::Fatal(format!("{text} ({code})"));
        }
        let text = error.to_string();
        match error {
            KafkaError::Transaction(error) if error.is_fatal() => Failure::Fatal(text),
            error if lost_identity(error) => Failure::Renew(text),
            KafkaError::Transaction(error) if error.txn_requires_abort() => Failure::Abort(text),
            _ => Failure::Renew(text),
        }
    }

    fn undelivered(&self, error: &KafkaError, index: Option<usize>) -> Failure {
        if let Some((code, text)) = self.inner.client().fatal_error() {
            return Failure::Fatal(format!("{text} ({code})"));
        }
        let Some(code) = error.rdkafka_error_code() else { return Failure::Abort(error.to_string()) };
        match code {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
                Failure::Poison { index, reason: format!("message_too_large: {code}") }
            }
            RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidTimestamp => {
                Failure::Poison { index, reason: format!("invalid_record: {code}") }
            }
            _ if lost_identity(error) => Failure::Renew(error.to_string()),
            _ => Failure::Abort(error.to_string()),
        }
    }
}

fn retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if !error.is_fatal() && !lost_identity_code(error.code()) && error.is_retriable())
}

fn lost_identity(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(lost_identity_code)
}

fn lost_identity_code(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::InvalidProducerIdMapping | RDKafkaErrorCode::UnknownProducerId)
}

pub(super) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(call)
        .await
        .map_err(|error| Failure::Renew(format!("a blocking call did not end: {error}")))
}
