//! When the next batch begins. A batch costs the database 0.4 ms of CPU whatever is in it, so at medium load it pays to
//! gather for a few milliseconds. But no caller may wait for others that do not come.

use std::time::{Duration, Instant};

/// The longest time between the beginnings of two batches while fewer are queued than are worth one.
const GATHER_MAX: Duration = Duration::from_millis(5);
/// This many queued records are always worth a batch: what each batch costs is then a tenth of it.
const WORTH_IT: usize = 64;

/// How recent batches went.
#[derive(Default)]
pub(super) struct Pace {
    begun: Option<Instant>,
    took: Duration,
    outstanding: usize,
}

impl Pace {
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// A batch is committed; `outstanding` records were queued or being written until now.
    pub(super) fn settle(&mut self, now: Instant, outstanding: usize) {
        self.took = self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        self.outstanding = outstanding.max(self.outstanding - self.outstanding.div_ceil(8));
    }

    /// With this many queued a batch begins at once. If callers wait for their answers before they go on, then all of
    /// them are here when as many are queued as were outstanding lately.
    pub(super) fn enough(&self) -> usize {
        self.outstanding.clamp(1, WORTH_IT)
    }

    /// Until when fewer than that wait for more. Batches are then written half of the time at most.
    pub(super) fn until(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + (2 * self.took).min(GATHER_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_caller_never_waits_for_another() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!((pace.enough(), pace.until()), (1, None));
        for n in 0..10 {
            pace.begin(start + n * MS);
            pace.settle(start + (n + 1) * MS, 1);
            assert_eq!(pace.enough(), 1);
        }
    }

    #[test]
    fn callers_that_left_are_not_waited_for_for_long() {
        let mut pace = Pace::default();
        pace.settle(Instant::now(), 40);
        assert_eq!(pace.enough(), 40);
        for _ in 0..20 {
            pace.settle(Instant::now(), 2);
        }
        assert_eq!(pace.enough(), 2);
    }

    #[test]
    fn batches_run_half_of_the_time_and_nothing_gathers_longer_than_its_bound() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for (took, waits) in [(1, 2), (2, 4), (3, 5), (400, 5)] {
            pace.begin(start);
            pace.settle(start + took * MS, 30);
            assert_eq!(pace.until(), Some(start + waits * MS));
        }
        pace.settle(start, 1_000);
        assert_eq!(pace.enough(), WORTH_IT);
    }
}
