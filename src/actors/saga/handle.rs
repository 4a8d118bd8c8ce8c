//! How others reach the sagas' actor across its restarts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;

use super::SagasMessage;

/// Wakes the actor; clones share it.
#[derive(Clone, Default)]
pub struct SagasHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    woken: AtomicBool,
    actor: Mutex<Option<ActorRef<SagasMessage>>>,
}

impl SagasHandle {
    /// Says that a saga was started, or is to go on. Many calls at once cost one message.
    pub fn wake(&self) {
        if !self.0.woken.swap(true, Ordering::AcqRel)
            && let Some(actor) = &*self.0.actor.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let _ = actor.cast(SagasMessage::Look); // one that is being started looks by itself
        }
    }

    pub(super) fn attach(&self, actor: ActorRef<SagasMessage>) {
        *self.0.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }

    /// Called before it looks, so that what comes later wakes it again.
    pub(super) fn looking(&self) {
        self.0.woken.store(false, Ordering::Release);
    }
}
