//! Counts which records of a batch Kafka has acknowledged: one counter for all of them, and the first refusal at once.
//! (After a refusal the client may hold the others back until they time out, so waiting for each in turn would take
//! long.)

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use tokio::sync::Notify;

/// The deliveries of one batch.
pub(super) struct Delivery {
    left: AtomicUsize,
    refusal: Mutex<Option<KafkaError>>,
    changed: Notify,
}

impl Delivery {
    pub fn of(records: usize) -> Self {
        Self { left: AtomicUsize::new(records), refusal: Mutex::new(None), changed: Notify::new() }
    }

    /// Waits until all records are acknowledged, or one is refused.
    pub async fn done(&self) -> Result<(), KafkaError> {
        loop {
            let changed = self.changed.notified(); // first, so that no change in between is missed
            if let Some(error) = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Err(error);
            }
            if self.left.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            changed.await;
        }
    }

    fn settled(&self, refusal: Option<KafkaError>) {
        let refused = refusal.is_some();
        if let Some(error) = refusal {
            self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 || refused {
            self.changed.notify_one();
        }
    }
}

/// Receives the client library's callbacks: deliveries and log messages.
pub(super) struct Deliveries;

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        delivery.settled(result.as_ref().err().map(|(error, _)| error.clone()));
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}
