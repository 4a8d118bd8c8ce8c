//! How many events may wait while Kafka is away: a pure rule, and the flag that the gateway reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::store::outbox::Backlog;

/// How many events may wait for Kafka, and how long: first there is a warning, then new writes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From so many waiting events on there is a warning.
    pub warn_rows: i64,
    /// From this age of the oldest event on there is a warning.
    pub warn_age: Duration,
    /// From so many waiting events on new writes are refused.
    pub stop_rows: i64,
    /// From this age of the oldest event on new writes are refused.
    pub stop_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            warn_rows: 100_000,
            warn_age: Duration::from_secs(60),
            stop_rows: 10_000_000,
            stop_age: Duration::from_secs(24 * 3600),
        }
    }
}

/// Whether too many events wait for Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Calm,
    /// An operator should look.
    Warn,
    /// New writes are refused.
    Stop,
}

/// The next level. It falls only when the backlog is a fifth below the bound, so that it does not flutter.
pub fn level(was: Level, limits: &Limits, backlog: &Backlog) -> Level {
    let over = |rows: i64, age: Duration, held: bool| {
        let (rows, age) = if held { (rows - rows / 5, age - age / 5) } else { (rows, age) };
        backlog.rows >= rows.max(1) || (backlog.rows > 0 && backlog.age >= age)
    };
    if over(limits.stop_rows, limits.stop_age, was == Level::Stop) {
        Level::Stop
    } else if over(limits.warn_rows, limits.warn_age, was != Level::Calm) {
        Level::Warn
    } else {
        Level::Calm
    }
}

/// Whether new writes are refused because too many events wait; clones share it.
#[derive(Clone, Default)]
pub struct Backpressure(Arc<Inner>);

#[derive(Default)]
struct Inner {
    on: AtomicBool,
    reason: Mutex<String>,
}

impl Backpressure {
    /// Why new writes are refused; `None`: they are not, which costs one relaxed load to know.
    #[inline]
    pub fn reason(&self) -> Option<String> {
        self.0.on.load(Ordering::Relaxed).then(|| self.0.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// `None`: new writes are accepted.
    pub fn set(&self, reason: Option<String>) {
        let on = reason.is_some();
        if let Some(reason) = reason {
            *self.0.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        }
        self.0.on.store(on, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_a_warning_then_a_stop_and_back_without_flutter() {
        let limits = Limits {
            warn_rows: 10,
            warn_age: Duration::from_secs(10),
            stop_rows: 100,
            stop_age: Duration::from_secs(100),
        };
        let at = |was, rows, age| level(was, &limits, &Backlog { rows, age: Duration::from_secs(age) });
        assert_eq!(at(Level::Calm, 0, 0), Level::Calm);
        assert_eq!(at(Level::Calm, 9, 9), Level::Calm);
        assert_eq!(at(Level::Calm, 10, 0), Level::Warn);
        assert_eq!(at(Level::Calm, 1, 10), Level::Warn);
        assert_eq!(at(Level::Warn, 100, 0), Level::Stop);
        assert_eq!(at(Level::Warn, 1, 100), Level::Stop);
        assert_eq!(at(Level::Stop, 81, 0), Level::Stop);
        assert_eq!(at(Level::Stop, 79, 0), Level::Warn);
        assert_eq!(at(Level::Warn, 7, 0), Level::Calm);
        assert_eq!(at(Level::Stop, 0, 0), Level::Calm);
    }

    #[test]
    fn the_flag_carries_its_reason() {
        let flag = Backpressure::default();
        assert_eq!(flag.reason(), None);
        flag.clone().set(Some("7 events wait".into()));
        assert_eq!(flag.reason().as_deref(), Some("7 events wait"));
        flag.set(None);
        assert_eq!(flag.reason(), None);
    }
}
