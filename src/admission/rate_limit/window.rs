//! The sliding window, counted in buckets. Pure: time is an argument, in microseconds of any clock that does not run
//! backwards.
//!
//! A window is divided into [`BUCKETS`] equal parts. A request counts from its own moment until its bucket has left the
//! window as a whole: at least for one window, and at most for one window and one bucket (1/60) more. Hence no window
//! of any position holds more than the limit, and a client that always asks gets at least 60/61 of it.

use std::collections::VecDeque;
use std::time::Duration;

/// Buckets in one window. One more is kept, the one that is leaving.
pub const BUCKETS: u64 = 60;

/// The limit, and the width of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Requests in any window.
    pub requests_max: u64,
    /// Microseconds.
    pub width_us: u64,
}

impl Shape {
    /// Divides a window; the width of a bucket is rounded up.
    pub fn new(requests_max: u64, window: Duration) -> Self {
        let window_us = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        Self { requests_max, width_us: window_us.div_ceil(BUCKETS).max(1) }
    }

    fn bucket(&self, now_us: u64) -> u64 {
        now_us / self.width_us
    }

    /// The first moment at which a bucket no longer counts.
    fn leaves_us(&self, bucket: u64) -> u64 {
        (bucket + BUCKETS + 1).saturating_mul(self.width_us)
    }
}

/// What one client used of its window, as far as this node knows. Only buckets with a count are kept: 16 bytes each, 61
/// at most.
#[derive(Debug, Default)]
pub struct Window {
    buckets: VecDeque<Bucket>,
    total: u64,
}

#[derive(Debug)]
struct Bucket {
    number: u64,
    count: u32,
    /// The part of `count` that Redis does not know of.
    unreported: u32,
}

impl Window {
    /// Counts `n` requests if they fit, and returns how many more would.
    ///
    /// # Errors
    /// They do not fit: the wait in microseconds until they will. A refusal counts nothing.
    pub fn admit(&mut self, shape: &Shape, now_us: u64, n: u64) -> Result<u64, u64> {
        self.forget(shape, now_us);
        if n > shape.requests_max.saturating_sub(self.total) {
            return Err(self.wait_us(shape, now_us, n));
        }
        self.add(shape, now_us, n, true);
        Ok(shape.requests_max - self.total)
    }

    /// Counts `n` requests that Redis has granted.
    pub fn note(&mut self, shape: &Shape, now_us: u64, n: u64) {
        self.forget(shape, now_us);
        self.add(shape, now_us, n, false);
    }

    /// Requests that count now.
    #[cfg(test)]
    pub fn used(&mut self, shape: &Shape, now_us: u64) -> u64 {
        self.forget(shape, now_us);
        self.total
    }

    /// What Redis does not know of: how many microseconds ago each bucket ended (0: it still lasts), and its count.
    pub fn unreported(&mut self, shape: &Shape, now_us: u64) -> Vec<(u64, u64)> {
        self.forget(shape, now_us);
        let age_us = |bucket: &Bucket| now_us.saturating_sub((bucket.number + 1) * shape.width_us);
        self.buckets
            .iter()
            .filter(|bucket| bucket.unreported > 0)
            .map(|bucket| (age_us(bucket), u64::from(bucket.unreported)))
            .collect()
    }

    /// Redis knows of everything now.
    pub fn mark_reported(&mut self) {
        self.buckets.iter_mut().for_each(|bucket| bucket.unreported = 0);
    }

    fn forget(&mut self, shape: &Shape, now_us: u64) {
        while let Some(oldest) = self.buckets.front().filter(|oldest| shape.leaves_us(oldest.number) <= now_us) {
            self.total -= u64::from(oldest.count);
            self.buckets.pop_front();
        }
    }

    fn add(&mut self, shape: &Shape, now_us: u64, n: u64, unreported: bool) {
        // Callers read the clock before they get the lock: one that was overtaken counts in the newer bucket.
        let number = shape.bucket(now_us).max(self.buckets.back().map_or(0, |newest| newest.number));
        if self.buckets.back().is_none_or(|newest| newest.number != number) {
            self.buckets.push_back(Bucket { number, count: 0, unreported: 0 });
        }
        let Some(newest) = self.buckets.back_mut() else { return };
        let n = u32::try_from(n).unwrap_or(u32::MAX).min(u32::MAX - newest.count);
        newest.count += n;
        newest.unreported += if unreported { n } else { 0 };
        self.total += u64::from(n);
    }

    /// Microseconds until `n` will fit, if no other request comes; a window if they never fit.
    fn wait_us(&self, shape: &Shape, now_us: u64, n: u64) -> u64 {
        let mut left = self.total;
        for bucket in &self.buckets {
            left -= u64::from(bucket.count);
            if n <= shape.requests_max.saturating_sub(left) {
                return shape.leaves_us(bucket.number).saturating_sub(now_us);
            }
        }
        shape.width_us * BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A window of 60 s: buckets of one second.
    fn minute(requests_max: u64) -> Shape {
        Shape::new(requests_max, Duration::from_secs(60))
    }

    #[test]
    fn the_table_of_cases_reads_as_written() {
        const S: u64 = 1_000_000;
        let shape = minute(3);
        let mut window = Window::default();
        // (now, n, answer): the bucket of the first request is [10 s, 11 s), and leaves with the end of second 71.
        let table: [(u64, u64, Result<u64, u64>); 10] = [
            (10 * S, 1, Ok(2)),
            (10 * S + 999_999, 1, Ok(1)),
            (11 * S, 2, Err(60 * S)),
            (11 * S, 1, Ok(0)),
            (11 * S, 1, Err(60 * S)),
            (70 * S + 999_999, 1, Err(1)),
            (71 * S, 1, Ok(1)),
            (71 * S, 3, Err(61 * S)),
            (71 * S, 4, Err(60 * S)),
            (500 * S, 3, Ok(0)),
        ];
        for (line, (now_us, n, answer)) in table.into_iter().enumerate() {
            assert_eq!(window.admit(&shape, now_us, n), answer, "line {line}");
        }
    }

    #[test]
    fn what_redis_does_not_know_is_listed_with_its_age_until_it_does() {
        let shape = minute(100);
        let mut window = Window::default();
        window.note(&shape, 1_500_000, 7);
        window.admit(&shape, 1_600_000, 2).unwrap();
        window.admit(&shape, 9_999_999, 3).unwrap();
        assert_eq!(window.unreported(&shape, 10_500_000), [(8_500_000, 2), (500_000, 3)]);
        assert_eq!(window.unreported(&shape, 9_999_999), [(7_999_999, 2), (0, 3)]);
        window.mark_reported();
        assert_eq!(window.unreported(&shape, 10_500_000), []);
        assert_eq!(window.used(&shape, 10_500_000), 12, "what is reported still counts here");
    }

    #[test]
    fn a_clock_read_before_the_lock_counts_in_the_newer_bucket() {
        let shape = minute(2);
        let mut window = Window::default();
        window.admit(&shape, 5_000_000, 1).unwrap();
        window.admit(&shape, 4_999_999, 1).unwrap();
        assert_eq!(window.admit(&shape, 65_999_999, 1), Err(1));
    }

    proptest! {
        /// The promise itself. Fails when `leaves_us` says one bucket less.
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            requests_max in 1_u64..20,
            window_us in 60_u64..10_000,
            steps in prop::collection::vec((0_u64..700, 1_u64..5), 1..300),
        ) {
            let shape = Shape::new(requests_max, Duration::from_micros(window_us));
            let (mut window, mut now_us, mut admitted) = (Window::default(), 0, Vec::new());
            for (step, n) in steps {
                now_us += step;
                if window.admit(&shape, now_us, n).is_ok() {
                    admitted.push((now_us, n));
                }
                let held: u64 = admitted.iter().filter(|(at, _)| at + window_us > now_us).map(|(_, n)| n).sum();
                prop_assert!(held <= requests_max, "{held} of {requests_max} in the window that ends at {now_us}");
            }
        }

        /// A refusal names the first moment at which the same request fits, at most a window and a bucket away.
        #[test]
        fn a_refusal_names_the_moment_it_ends(
            requests_max in 1_u64..20,
            window_us in 60_u64..10_000,
            steps in prop::collection::vec((0_u64..700, 1_u64..5), 1..300),
        ) {
            let shape = Shape::new(requests_max, Duration::from_micros(window_us));
            let (mut window, mut now_us) = (Window::default(), 0);
            for (step, n) in steps {
                now_us += step;
                let Err(wait_us) = window.admit(&shape, now_us, n) else { continue };
                prop_assert!(wait_us > 0 && wait_us <= (BUCKETS + 1) * shape.width_us);
                if n <= requests_max {
                    prop_assert!(window.admit(&shape, now_us + wait_us - 1, n).is_err());
                    now_us += wait_us;
                    prop_assert!(window.admit(&shape, now_us, n).is_ok());
                }
            }
        }

        /// After one window and one bucket of rest everything is there again, and nothing is kept.
        #[test]
        fn it_refills_wholly(requests_max in 1_u64..50, steps in prop::collection::vec(0_u64..3_000_000, 1..100)) {
            let shape = minute(requests_max);
            let (mut window, mut now_us) = (Window::default(), 0);
            for step in steps {
                now_us += step;
                let _ = window.admit(&shape, now_us, 1);
                prop_assert!(window.buckets.len() <= 61);
            }
            prop_assert_eq!(window.admit(&shape, now_us + 61_000_000, requests_max), Ok(0));
            prop_assert_eq!(window.buckets.len(), 1);
        }
    }
}
