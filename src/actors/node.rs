//! What the gateway sees of the tree: whether this process may write, and through which parts.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::accounts::Registry;
use super::exports::ExportsHandle;
use super::invoices::InvoicesHandle;
use super::journal::Journal;
use super::saga::SagasHandle;
use crate::protocol::live::Feed;

/// The parts of the tree that exist while this process leads.
#[derive(Clone)]
pub struct Active {
    pub epoch: i64,
    pub journal: Journal,
    /// The list of loaded accounts.
    pub registry: Registry,
    /// Where live events come out.
    pub feed: Feed,
    /// Woken when a saga was started.
    pub sagas: SagasHandle,
    /// Gives commands on invoices their turns.
    pub invoices: InvoicesHandle,
    /// Makes exports.
    pub exports: ExportsHandle,
}

/// Whether this process may write; clones share it.
#[derive(Clone, Default)]
pub struct Node(Arc<Shared>);

#[derive(Default)]
struct Shared {
    active: RwLock<Option<Active>>,
    lease_until: Mutex<Option<Instant>>,
}

impl Node {
    /// `None`: this process does not lead.
    pub fn active(&self) -> Option<Active> {
        self.0.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether memory may be believed without asking the database: until the lease ends on this process's own clock.
    pub fn is_lease_valid(&self) -> bool {
        self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Called when the tree was built or taken down.
    pub fn set_active(&self, active: Option<Active>) {
        *self.0.active.write().unwrap_or_else(PoisonError::into_inner) = active;
    }

    /// Called when the lease was taken, renewed or lost (`None`).
    pub fn set_lease(&self, until: Option<Instant>) {
        *self.0.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}
