//! The bound on work in flight: a permit is taken before a command touches an actor and is given back when its outcome is known,
//! not when its caller stops listening.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much work may be in flight at once; clones share it.
#[derive(Clone)]
pub struct InFlight(Arc<Bound>);

struct Bound {
    now: AtomicUsize,
    max: usize,
}

/// The right to have one command in flight.
pub struct Permit(Arc<Bound>);

impl InFlight {
    /// At most `max` at once.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Bound { now: AtomicUsize::new(0), max }))
    }

    /// Takes a permit; `None` at the bound.
    pub fn enter(&self) -> Option<Permit> {
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(self.0.clone());
        (before < self.0.max).then_some(permit)
    }

    /// How much is in flight.
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }

    /// The bound.
    pub fn max(&self) -> usize {
        self.0.max
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_permits_come_back() {
        let bound = InFlight::new(2);
        let (first, second) = (bound.enter(), bound.enter());
        assert!(first.is_some() && second.is_some() && bound.enter().is_none());
        drop(first);
        assert!(bound.enter().is_some());
        drop(second);
        assert_eq!(bound.now(), 0);
    }
}
