//! The restart policy as data, and the pure rule that reads it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::health::Part;

/// When and how often a child is restarted.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// The delay before the first restart; it doubles with each further one in the window.
    pub delay_min: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// More restarts than this within `window` escalate.
    pub restarts_max: usize,
    /// How long a restart is remembered.
    pub window: Duration,
}

/// Who is restarted by this policy: actors, and the listeners of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildName {
    Leadership,
    Journal,
    Lane,
    Auditor,
    Accounts,
    Account,
    Outbox,
    Housekeeping,
    Expiry,
    Sagas,
    Feed,
    Invoices,
    Overdue,
    Exports,
    Orders,
    Users,
    Bills,
    Notices,
    Mailer,
    Gateway,
}

impl ChildName {
    /// What metrics and logs call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leadership => "leadership",
            Self::Journal => "journal",
            Self::Lane => "lane",
            Self::Auditor => "auditor",
            Self::Accounts => "accounts",
            Self::Account => "account",
            Self::Outbox => "outbox",
            Self::Housekeeping => "housekeeping",
            Self::Expiry => "expiry",
            Self::Sagas => "sagas",
            Self::Feed => "feed",
            Self::Invoices => "invoices",
            Self::Overdue => "overdue",
            Self::Exports => "exports",
            Self::Orders => "orders",
            Self::Users => "users",
            Self::Bills => "bills",
            Self::Notices => "notices",
            Self::Mailer => "mailer",
            Self::Gateway => "gateway",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Who is restarted.
    pub child: ChildName,
    /// What health calls it.
    pub part: Part,
    pub policy: RestartPolicy,
}

const fn policy(delay_min_ms: u64, delay_max_ms: u64, restarts_max: usize, window_s: u64) -> RestartPolicy {
    RestartPolicy {
        delay_min: Duration::from_millis(delay_min_ms),
        delay_max: Duration::from_millis(delay_max_ms),
        restarts_max,
        window: Duration::from_secs(window_s),
    }
}

/// The whole table. A child that escalates takes its parent along: an account the directory, a lane the journal, and a
/// child of the root the process, which ends with an error so that its service manager starts it again.
pub const TABLE: &[Row] = &[
    Row { child: ChildName::Leadership, part: Part::Leadership, policy: policy(50, 2_000, 20, 60) },
    Row { child: ChildName::Journal, part: Part::Journal, policy: policy(20, 2_000, 20, 60) },
    Row { child: ChildName::Lane, part: Part::Journal, policy: policy(10, 1_000, 50, 60) },
    Row { child: ChildName::Auditor, part: Part::Database, policy: policy(20, 2_000, usize::MAX, 60) },
    Row { child: ChildName::Accounts, part: Part::Accounts, policy: policy(20, 2_000, 20, 60) },
    Row { child: ChildName::Account, part: Part::Accounts, policy: policy(1, 1_000, 1_000, 60) },
    // Kafka may be away for hours: the publisher never escalates.
    Row { child: ChildName::Outbox, part: Part::Outbox, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Housekeeping, part: Part::Database, policy: policy(100, 10_000, usize::MAX, 60) },
    Row { child: ChildName::Expiry, part: Part::Database, policy: policy(100, 10_000, usize::MAX, 60) },
    Row { child: ChildName::Sagas, part: Part::Database, policy: policy(100, 10_000, usize::MAX, 60) },
    Row { child: ChildName::Feed, part: Part::Database, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Invoices, part: Part::Accounts, policy: policy(20, 2_000, 20, 60) },
    Row { child: ChildName::Overdue, part: Part::Database, policy: policy(100, 10_000, usize::MAX, 60) },
    Row { child: ChildName::Exports, part: Part::Exports, policy: policy(100, 10_000, usize::MAX, 60) },
    Row { child: ChildName::Orders, part: Part::Orders, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Users, part: Part::Users, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Bills, part: Part::Bills, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Notices, part: Part::Notices, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Mailer, part: Part::Mail, policy: policy(50, 5_000, usize::MAX, 60) },
    Row { child: ChildName::Gateway, part: Part::Gateway, policy: policy(50, 2_000, 20, 60) },
];

/// When and how often this child is restarted, and what health calls it.
pub fn row(child: ChildName) -> &'static Row {
    &TABLE[child as usize] // a test holds them to one order
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Restart after this delay; jitter is added to it.
    RestartAfter(Duration),
    /// It failed too often: the parent fails.
    Escalate,
}

/// When a child failed recently.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<Instant>);

impl History {
    /// Notes a failure at `now` and returns what to do about it.
    pub fn next(&mut self, policy: &RestartPolicy, now: Instant) -> Verdict {
        while self.0.front().is_some_and(|then| now.saturating_duration_since(*then) > policy.window) {
            self.0.pop_front();
        }
        if self.0.len() >= policy.restarts_max {
            return Verdict::Escalate;
        }
        let doublings = u32::try_from(self.0.len().min(20)).unwrap_or(20);
        self.0.push_back(now);
        if self.0.len() > 64 && policy.restarts_max == usize::MAX {
            self.0.pop_front();
        }
        Verdict::RestartAfter(policy.delay_min.saturating_mul(1 << doublings).min(policy.delay_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_then_it_escalates() {
        let policy = policy(100, 500, 4, 10);
        let (mut history, now) = (History::default(), Instant::now());
        let delays: Vec<_> = (0..5).map(|_| history.next(&policy, now)).collect();
        let ms = |n| Verdict::RestartAfter(Duration::from_millis(n));
        assert_eq!(delays, [ms(100), ms(200), ms(400), ms(500), Verdict::Escalate]);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let policy = policy(100, 500, 1, 10);
        let (mut history, now) = (History::default(), Instant::now());
        assert_ne!(history.next(&policy, now), Verdict::Escalate);
        assert_eq!(history.next(&policy, now + Duration::from_secs(1)), Verdict::Escalate);
        assert_ne!(history.next(&policy, now + Duration::from_secs(12)), Verdict::Escalate);
    }

    #[test]
    fn every_child_has_its_line_in_the_order_of_their_names() {
        for (n, row) in TABLE.iter().enumerate() {
            assert_eq!((row.child as usize, super::row(row.child).child), (n, row.child), "{:?}", row.child);
        }
        assert_eq!(TABLE.last().map(|row| row.child), Some(ChildName::Gateway), "the last of the names has a line");
    }
}
