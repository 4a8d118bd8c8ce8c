//! Named points at which a test or a chaos run makes the product fail.
//!
//! Production code calls [`Faults::point`] and [`Faults::pause`]; unless something was armed they cost one relaxed
//! load. Nothing but code holding the handle can arm a point: there is no setting for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// A handle on the points of one runtime; clones share them.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    armed: AtomicBool,
    points: Mutex<HashMap<&'static str, Plan>>,
}

struct Plan {
    panics_left: u32,
    skip: u32,
    hits: u64,
    open: Option<watch::Sender<bool>>,
}

impl Faults {
    /// Makes the point panic on its next `times` passes, after letting `skip` of them by.
    pub fn panic_at(&self, name: &'static str, skip: u32, times: u32) {
        self.plan(name, |plan| (plan.skip, plan.panics_left) = (skip, times));
    }

    /// Holds everybody who comes to the point, until [`Faults::release`].
    pub fn hold(&self, name: &'static str) {
        self.plan(name, |plan| plan.open = Some(watch::Sender::new(false)));
    }

    /// Lets go of those held at the point, and of all who come later.
    pub fn release(&self, name: &'static str) {
        self.plan(name, |plan| {
            if let Some(open) = plan.open.take() {
                open.send_replace(true);
            }
        });
    }

    /// How often an armed point was passed or fired.
    pub fn hits(&self, name: &'static str) -> u64 {
        self.lock().get(name).map_or(0, |plan| plan.hits)
    }

    /// A point that can panic.
    ///
    /// # Panics
    /// When a test armed it.
    #[inline]
    pub fn point(&self, name: &'static str) {
        if self.0.armed.load(Ordering::Relaxed) {
            self.fire(name);
        }
    }

    /// A point that can panic or hold.
    ///
    /// # Panics
    /// When a test armed it.
    #[inline]
    pub async fn pause(&self, name: &'static str) {
        if self.0.armed.load(Ordering::Relaxed) {
            self.fire(name);
            let open = self.lock().get(name).and_then(|plan| plan.open.as_ref().map(watch::Sender::subscribe));
            if let Some(mut open) = open {
                let _ = open.wait_for(|open| *open).await; // a dropped sender means: released
            }
        }
    }

    fn fire(&self, name: &'static str) {
        let mut points = self.lock();
        let Some(plan) = points.get_mut(name) else { return };
        plan.hits += 1;
        if plan.skip > 0 {
            plan.skip -= 1;
        } else if plan.panics_left > 0 {
            plan.panics_left -= 1;
            drop(points);
            panic!("fault injected at {name}");
        }
    }

    fn plan(&self, name: &'static str, change: impl FnOnce(&mut Plan)) {
        let mut points = self.lock();
        change(points.entry(name).or_insert(Plan { panics_left: 0, skip: 0, hits: 0, open: None }));
        self.0.armed.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Plan>> {
        self.0.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
