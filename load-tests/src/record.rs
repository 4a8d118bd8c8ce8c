//! Latencies and counts of one run.
//!
//! A payment's latency belongs to the run when the payment *began* in the measured time, however late it ended; it
//! counts towards the rate when its answer *arrived* in the measured time. So nothing that hangs at the end is left out
//! of the percentiles.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::outcome::{Outcome, Outcomes};

/// Workers share these, so that they seldom wait for each other and memory does not grow with their number.
const SHARDS: usize = 16;
const LATENCY_US_MAX: u64 = 120_000_000;

/// The measured part of a run.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its beginning; what comes before warms up.
    pub from: Instant,
    /// Its end.
    pub to: Instant,
}

impl Window {
    /// Begins after a warm-up.
    #[must_use]
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, to: from + length }
    }

    /// Whether this moment is measured.
    #[must_use]
    pub fn has(&self, moment: Instant) -> bool {
        (self.from..self.to).contains(&moment)
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

/// Takes in what many workers measure.
pub struct Recorder {
    window: Window,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    latency_us: Histogram<u64>,
    outcomes: Outcomes,
    done_in_window: u64,
}

impl Recorder {
    /// For one run.
    ///
    /// # Errors
    /// Never with the bounds of this file.
    pub fn new(window: Window) -> Result<Self> {
        let shard =
            || Ok(Mutex::new(Shard { latency_us: histogram()?, outcomes: Outcomes::default(), done_in_window: 0 }));
        Ok(Self { window, shards: (0..SHARDS).map(|_| shard()).collect::<Result<_>>()? })
    }

    /// The measured part.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Counts `n` payments that began and ended together; `began` is when they were due.
    pub fn add(&self, worker: usize, began: Instant, outcome: Outcome, n: u64) {
        let ended = Instant::now();
        let mut shard = lock(&self.shards[worker % SHARDS]);
        shard.outcomes.add(outcome, n);
        if outcome.is_done() && self.window.has(ended) {
            shard.done_in_window += n;
        }
        if self.window.has(began) {
            let latency = u64::try_from(ended.saturating_duration_since(began).as_micros()).unwrap_or(u64::MAX);
            shard.latency_us.saturating_record_n(latency.clamp(1, LATENCY_US_MAX), n);
        }
    }

    /// What the run came to.
    ///
    /// # Errors
    /// Never: the histograms have one shape.
    pub fn figures(&self) -> Result<Figures> {
        let (mut latency, mut outcomes, mut paid) = (histogram()?, Outcomes::default(), 0);
        for shard in &self.shards {
            let shard = lock(shard);
            latency.add(&shard.latency_us)?;
            outcomes.merge(&shard.outcomes);
            paid += shard.done_in_window;
        }
        let run_s = self.window.length().as_secs_f64();
        Ok(Figures {
            run_s,
            paid,
            payments_per_s: paid as f64 / run_s,
            latency_ms: Latency::of(&latency),
            errors: outcomes.errors(),
            outcomes,
        })
    }
}

/// What a run came to; where balances are asked for, each of them stands for a payment.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The measured time.
    pub run_s: f64,
    /// Payments whose answer arrived in it.
    pub paid: u64,
    /// The same per second.
    pub payments_per_s: f64,
    /// Of the payments that began in it.
    pub latency_ms: Latency,
    /// Everything that was not done, at any time of the run, warm-up and end included.
    pub errors: u64,
    /// Every payment of the run.
    pub outcomes: Outcomes,
}

/// Percentiles in milliseconds, to three digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many payments.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    fn of(latency_us: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            count: latency_us.len(),
            p50: ms(latency_us.value_at_quantile(0.50)),
            p99: ms(latency_us.value_at_quantile(0.99)),
            p999: ms(latency_us.value_at_quantile(0.999)),
            max: ms(latency_us.max()),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Latency { p50, p99, p999, max, .. } = self.latency_ms;
        writeln!(f, "{:.0} payments/s over {:.1} s", self.payments_per_s, self.run_s)?;
        writeln!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms")?;
        let outcomes: Vec<String> = self.outcomes.named().into_iter().map(|(name, n)| format!("{name} {n}")).collect();
        write!(f, "{}", outcomes.join(", "))
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?)
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() <= wanted * 0.002
    }

    /// Every latency from 1 us to `n` us once: the quantiles are known.
    #[test]
    fn percentiles_of_an_even_distribution_are_right() {
        let mut latency = histogram().unwrap();
        (1..=100_000).for_each(|us| latency.record(us).unwrap());
        let latency = Latency::of(&latency);
        assert_eq!(latency.count, 100_000);
        for (found, wanted) in [(latency.p50, 50.0), (latency.p99, 99.0), (latency.p999, 99.9), (latency.max, 100.0)] {
            assert!(near(found, wanted), "{found} should be {wanted}");
        }
    }

    #[test]
    fn percentiles_of_two_heaps_and_a_tail_are_right() {
        let mut latency = histogram().unwrap();
        latency.record_n(1_000, 9_800).unwrap();
        latency.record_n(20_000, 190).unwrap();
        latency.record_n(5_000_000, 10).unwrap();
        let latency = Latency::of(&latency);
        for (found, wanted) in [(latency.p50, 1.0), (latency.p99, 20.0), (latency.p999, 20.0), (latency.max, 5_000.0)] {
            assert!(near(found, wanted), "{found} should be {wanted}");
        }
    }

    /// An exponential distribution of mean 10 ms by its own inverse: the p-th percentile is -ln(1 - p) * 10 ms.
    #[test]
    fn percentiles_of_an_exponential_distribution_are_right() {
        let mut latency = histogram().unwrap();
        for n in 0..1_000_000 {
            let part = (f64::from(n) + 0.5) / 1_000_000.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 150,000")]
            latency.record((-(1.0 - part).ln() * 10_000.0).round().max(1.0) as u64).unwrap();
        }
        let latency = Latency::of(&latency);
        for (found, wanted) in [(latency.p50, 6.931), (latency.p99, 46.05), (latency.p999, 69.08)] {
            assert!(near(found, wanted), "{found} should be {wanted}");
        }
    }

    #[test]
    fn what_began_before_the_window_warms_up_and_what_ends_after_it_still_has_a_latency() {
        let now = Instant::now();
        let past = |ms| now.checked_sub(Duration::from_millis(ms)).unwrap();
        let recorder = Recorder::new(Window { from: past(2000), to: past(1000) }).unwrap();
        recorder.add(0, past(3000), Outcome::Paid, 1); // began before
        recorder.add(1, past(1500), Outcome::Unanswered, 2); // began within, ends now: after the window
        let figures = recorder.figures().unwrap();
        assert_eq!((figures.paid, figures.errors, figures.outcomes.total()), (0, 2, 3));
        assert_eq!(figures.latency_ms.count, 2);
        assert!(figures.latency_ms.p50 >= 1_490.0);
    }
}
