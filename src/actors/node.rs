//! What the gateway sees of the tree: whether this process may write, and through what.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::accounts::Registry;
use super::journal::Journal;
use super::saga::SagasHandle;
use crate::protocol::live::Feed;

/// The parts of the tree that exist while the lease is ours.
#[derive(Clone)]
pub struct Active {
    /// Under which epoch.
    pub epoch: i64,
    /// Where approved records go.
    pub journal: Journal,
    /// Who is loaded.
    pub registry: Registry,
    /// Where committed events come out.
    pub feed: Feed,
    /// Whom to wake when a saga was started.
    pub sagas: SagasHandle,
}

/// This process as the gateway sees it; clones share it.
#[derive(Clone, Default)]
pub struct Node(Arc<Shared>);

#[derive(Default)]
struct Shared {
    active: RwLock<Option<Active>>,
    lease_until: Mutex<Option<Instant>>,
}

impl Node {
    /// The way to write, while the lease is ours.
    pub fn active(&self) -> Option<Active> {
        self.0.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether memory may still be believed without asking the database: until the lease ends on this process's own clock.
    pub fn is_lease_valid(&self) -> bool {
        self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// The tree was built, or taken down.
    pub fn set_active(&self, active: Option<Active>) {
        *self.0.active.write().unwrap_or_else(PoisonError::into_inner) = active;
    }

    /// The lease was taken, renewed or lost.
    pub fn set_lease(&self, until: Option<Instant>) {
        *self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}
