//! How others reach the publisher across its restarts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;

use super::OutboxMessage;
use crate::messaging::producer::Stopping;

/// Wakes and stops the publisher; clones share it.
#[derive(Clone, Default)]
pub struct OutboxHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    woken: AtomicBool,
    stop: AtomicBool,
    actor: Mutex<Option<ActorRef<OutboxMessage>>>,
}

impl OutboxHandle {
    /// Says that there is something new. Many calls at once cost one message.
    pub fn wake(&self) {
        if !self.0.woken.swap(true, Ordering::AcqRel) {
            self.tell(OutboxMessage::Wake);
        }
    }

    /// Asks the publisher to end, even while it waits for Kafka.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.tell(OutboxMessage::Stop);
    }

    pub(super) fn attach(&self, actor: &ActorRef<OutboxMessage>) {
        *self.0.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor.clone());
        self.0.stop.store(false, Ordering::Release);
        self.woken();
    }

    /// Called before the outbox is looked at, so that what comes later wakes it again.
    pub(super) fn woken(&self) {
        self.0.woken.store(false, Ordering::Release);
    }

    pub(super) fn stop_asked(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    fn tell(&self, message: OutboxMessage) {
        if let Some(actor) = &*self.0.actor.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = actor.cast(message); // a dead publisher looks by itself when it is back
        }
    }
}

impl Stopping for OutboxHandle {
    fn stopping(&self) -> bool {
        self.stop_asked()
    }
}
