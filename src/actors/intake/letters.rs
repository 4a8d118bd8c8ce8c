//! Messages that can never have an effect: kept in PostgreSQL whole, then sent to the dead-letter topic as they came,
//! with the reason as headers.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::messaging::KafkaConfig;
use crate::messaging::consumer::MESSAGE_BYTES_MAX;
use crate::messaging::consumer::Received;
use crate::messaging::producer::{Failure, Letter, Producer, Stopping};
use crate::messaging::topics::FRAMING;
use crate::store::StoreError;
use crate::store::received::{self, ReceivedLetter};

/// Why a dead letter is not where it belongs yet.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Kafka(#[from] Failure),
}

/// Where dead letters go.
pub struct Letters {
    pool: PgPool,
    kafka: KafkaConfig,
    /// Made when the first letter is sent, and again after a failure.
    producer: Mutex<Option<Producer>>,
}

impl Letters {
    pub fn new(pool: PgPool, kafka: KafkaConfig) -> Self {
        let kafka = KafkaConfig { record_bytes_max: MESSAGE_BYTES_MAX + FRAMING, ..kafka };
        Self { pool, kafka, producer: Mutex::new(None) }
    }

    /// Keeps a message, and sends it to its topic's dead letters unless that was done before.
    ///
    /// # Errors
    /// When it is not certain that both have it; it is then done again.
    pub async fn bury(&self, message: &Received, (code, reason): (&str, &str)) -> Result<(), Undelivered> {
        let Received { topic, partition, offset, .. } = message;
        tracing::warn!(topic, partition, offset, code, reason, "a message became a dead letter");
        let mut kept = self.producer.lock().await;
        let producer = match kept.take() {
            Some(producer) => producer,
            None => Producer::create(&self.kafka, false)?,
        };
        bury(&self.pool, &producer, &Never, message, (code, reason)).await?;
        *kept = Some(producer);
        Ok(())
    }
}

/// A dead letter is sent for as long as Kafka takes: who sends it has nothing better to do.
struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

async fn bury(
    pool: &PgPool,
    producer: &Producer,
    stop: &impl Stopping,
    message: &Received,
    (code, reason): (&str, &str),
) -> Result<(), Undelivered> {
    let text = |value: &[u8]| std::str::from_utf8(value).map_or_else(|_| hex(value), str::to_owned);
    let headers = message.headers.iter().map(|(name, value)| (name.clone(), value.as_deref().map(text)));
    let letter = ReceivedLetter {
        topic: &message.topic,
        partition: message.partition,
        offset: message.offset,
        key: message.key.as_deref(),
        headers: headers.collect(),
        body: &message.body,
        code,
        reason,
    };
    let (id, is_published) = received::keep(pool, &letter).await?;
    if is_published {
        return Ok(());
    }
    let place = [("topic", message.topic.clone()), ("partition", message.partition.to_string())];
    let place = place.into_iter().chain([("offset", message.offset.to_string())]);
    let why = [("code", code.to_owned()), ("reason", reason.to_owned()), ("failed_at", text_of(Utc::now()))];
    let added = place.chain(why).map(|(name, value)| (format!("florin.{name}"), Some(value.into_bytes())));
    let letter = Letter {
        topic: &KafkaConfig::dead_letters_of(&message.topic),
        key: message.key.as_deref(),
        body: &message.body,
        headers: message.headers.iter().cloned().chain(added).collect(),
    };
    producer.send_letter(&letter, stop).await?;
    Ok(received::published(pool, &[id]).await?)
}

fn text_of(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
