//! Messages that can never have an effect: kept in PostgreSQL whole, then sent to the dead-letter topic as they came,
//! with the reason as headers.

use std::sync::Arc;

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

/// Characters of a reason: what a parser says may have a whole message in it.
const REASON_MAX: usize = 1_000;

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
    producer: Mutex<Option<Arc<Producer>>>,
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
        let reason = &cut(reason);
        tracing::warn!(topic, partition, offset, code, reason, "a message became a dead letter");
        let producer = self.producer().await?;
        let buried = bury(&self.pool, &producer, &Never, message, (code, reason)).await;
        if buried.is_err() {
            *self.producer.lock().await = None;
        }
        buried
    }

    async fn producer(&self) -> Result<Arc<Producer>, Failure> {
        let mut kept = self.producer.lock().await;
        let producer = match kept.take() {
            Some(producer) => producer,
            None => Arc::new(Producer::create(&self.kafka, false)?),
        };
        *kept = Some(producer.clone());
        Ok(producer)
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
    let mut letter = Letter {
        topic: &KafkaConfig::dead_letters_of(&message.topic),
        key: message.key.as_deref(),
        body: &message.body,
        headers: message.headers.iter().cloned().chain(added).collect(),
    };
    match producer.send_letter(&letter, stop).await {
        // The topic takes no record as long as this: it gets the reason alone, since nothing may stand before others.
        Err(Failure::Poison { reason, .. }) => {
            tracing::warn!(letter = id, reason, "a dead letter is on its topic without its message");
            letter.headers.drain(..message.headers.len());
            (letter.key, letter.body) = (None, &[]);
            letter.headers.push(("florin.letter".into(), Some(format!("r{id}").into_bytes())));
            producer.send_letter(&letter, stop).await?;
        }
        sent => sent?,
    }
    Ok(received::published(pool, &[id]).await?)
}

/// A header's value as PostgreSQL takes it: as text, or in hexadecimal digits.
fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).ok().filter(|text| !text.contains('\0')).map_or_else(|| hex(value), str::to_owned)
}

/// A reason as PostgreSQL and the header of a record take it.
fn cut(reason: &str) -> String {
    reason.chars().filter(|c| *c != '\0').take(REASON_MAX).collect()
}

fn text_of(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a header with U+0000 is kept as text, which no JSON of PostgreSQL's holds: the message then comes again
    // for ever, and nothing behind it is read.
    #[test]
    fn what_a_producer_wrote_can_be_kept_whatever_it_is() {
        assert_eq!([text(b"abc"), text(b"a\0b"), text(b"\xff")], ["abc", "610062", "ff"]);
        assert_eq!(cut("a\0b"), "ab");
        assert_eq!(cut(&"\u{fc}".repeat(5_000_000)).chars().count(), REASON_MAX);
    }
}
