//! The bound on work in flight: a permit is taken before a command touches an actor and is given back when its outcome
//! is known, not when its caller stops listening.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many commands may be in flight at once; clones share the count.
#[derive(Clone)]
pub struct InFlight(Arc<Bound>);

struct Bound {
    now: AtomicUsize,
    max: usize,
}

/// One command's slot in the bound; dropped, the slot is free.
pub struct Permit(Arc<Bound>);

impl InFlight {
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Bound { now: AtomicUsize::new(0), max }))
    }

    /// `None` when `max` commands are in flight.
    pub fn enter(&self) -> Option<Permit> {
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(self.0.clone());
        (before < self.0.max).then_some(permit)
    }

    /// How many commands are in flight. A refused `enter` counts for a moment, so this may exceed `max`.
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }

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
