//! Publishes single messages and answers when Kafka has them: what callers send into topics of their own, and what desks
//! say of what they did. Without transactions; a message without an answer may still arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::messaging::KafkaConfig;
use crate::messaging::producer::{Failure, Outgoing, Producer, Stopping};
use crate::protocol::admission::InFlight;

/// Messages on their way at a time.
const IN_FLIGHT_MAX: usize = 1_000;
/// How long Kafka may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// After this the client library gives a message up, so that none arrives long after its caller was refused.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(4_500);

/// Why nobody knows that Kafka has a message.
#[derive(Debug, thiserror::Error)]
pub enum Undispatched {
    #[error("{max} messages are on their way to kafka, which is the limit")]
    Full { max: usize },
    #[error("kafka did not take a message within {0:?}")]
    Late(Duration),
    #[error(transparent)]
    Kafka(#[from] Failure),
}

/// The way of single messages to Kafka; clones share it.
#[derive(Clone)]
pub struct Dispatch(Arc<Shared>);

struct Shared {
    kafka: KafkaConfig,
    in_flight: InFlight,
    /// Made when the first message is sent, and again when one cannot be used any more.
    producer: Mutex<Option<Arc<Producer>>>,
}

/// The deadline ends a call.
struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

impl Dispatch {
    /// It does not connect yet.
    pub fn new(kafka: KafkaConfig) -> Self {
        let kafka = KafkaConfig { transaction_timeout: GIVEN_UP_AFTER, ..kafka };
        Self(Arc::new(Shared { kafka, in_flight: InFlight::new(IN_FLIGHT_MAX), producer: Mutex::new(None) }))
    }

    /// Publishes one message, and waits until Kafka has it.
    ///
    /// # Errors
    /// When Kafka has not said so in time; it may have the message all the same.
    pub async fn send(&self, topic: &str, key: &str, body: &str) -> Result<(), Undispatched> {
        let Some(_place) = self.0.in_flight.enter() else {
            return Err(Undispatched::Full { max: self.0.in_flight.max() });
        };
        let sending = async {
            let producer = self.producer().await?;
            let message = Outgoing { topic, partition: None, key: Some(key), body, tenant: None };
            let sent = producer.send(&[message], &Never).await;
            if matches!(sent, Err(Failure::Fatal(_) | Failure::Renew(_))) {
                self.replace(&producer).await;
            }
            Ok(sent?)
        };
        tokio::time::timeout(DEADLINE, sending).await.unwrap_or(Err(Undispatched::Late(DEADLINE)))
    }

    async fn producer(&self) -> Result<Arc<Producer>, Failure> {
        let mut kept = self.0.producer.lock().await;
        if let Some(producer) = &*kept {
            return Ok(producer.clone());
        }
        let made = Arc::new(Producer::create(&self.0.kafka, false)?);
        *kept = Some(made.clone());
        Ok(made)
    }

    /// Drops this producer, unless somebody has replaced it already.
    async fn replace(&self, broken: &Arc<Producer>) {
        let mut kept = self.0.producer.lock().await;
        kept.take_if(|producer| Arc::ptr_eq(producer, broken));
    }
}
