//! What a saga does next, and which fact follows from its outcome.

use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::fact::{Fact, Step};
use super::state::{Now, Phase, Saga};

/// How often and how long a step is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts at a step before it fails for good; at least 1.
    pub attempts_max: u32,
    /// Delay after the first attempt; it doubles with each further one.
    pub delay_min: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// How long the provider may leave a step pending.
    pub pending_max: Duration,
}

/// What a saga does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Act {
        task: Task,
        /// The earliest time.
        not_before: DateTime<Utc>,
    },
    /// The saga has ended.
    Ended,
    /// An operator must say how to go on.
    Stuck,
}

/// One step to be done or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub step: Step,
    /// Whether to undo it.
    pub undo: bool,
    /// The number of the attempt that this will be; for a poll, of the last one made.
    pub attempt: u32,
    pub call: Call,
    /// How often it failed for good before. To the provider each round is an operation of its own.
    pub round: u32,
    /// The round of the step that this task undoes; only read when `undo` is set.
    pub undoes: u32,
}

/// How to go about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Have it done.
    Do,
    /// First ask the provider about the earlier attempts; have it done only if the provider never heard of them.
    AskFirst,
    /// Ask the provider whether it is done by now. This is no attempt.
    Poll,
}

/// The outcome of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done {
        /// The provider's own id of the operation.
        reference: Option<String>,
    },
    /// The provider will do it, or not, and say so later.
    Pending,
    /// It has no effect, and never will; the text says why.
    Refused(String),
    /// This attempt certainly had no effect; the text says why.
    NotDone(String),
    /// Whether it had its effect is not known; the text says why.
    Unknown(String),
}

/// Characters of a reason that are kept.
const REASON_MAX: usize = 300;

impl Task {
    /// The key under which the provider knows the operation: the same, whoever calls and however often.
    pub fn key(&self, saga: impl Display) -> String {
        key(saga, self.step, self.undo, self.round)
    }

    /// The key of the operation that this one undoes; `None` if it undoes none.
    pub fn undoes(&self, saga: impl Display) -> Option<String> {
        self.undo.then(|| key(saga, self.step, false, self.undoes))
    }
}

fn key(saga: impl Display, step: Step, undo: bool, round: u32) -> String {
    let name = step.name(undo);
    if round == 0 { format!("{saga}.{name}") } else { format!("{saga}.{name}.{round}") }
}

impl Policy {
    /// How long to wait after so many attempts.
    fn delay(&self, attempts: u32) -> Duration {
        match attempts.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => self.delay_min.saturating_mul(1 << doublings.min(20)).min(self.delay_max),
        }
    }
}

impl Saga {
    pub fn next(&self, policy: &Policy) -> Next {
        let (i, undo) = match self.phase {
            Phase::Forward(i) => (i, false),
            Phase::Back(i) => (i, true),
            Phase::Stuck { .. } => return Next::Stuck,
            Phase::Completed | Phase::Failed => return Next::Ended,
        };
        let (call, attempt, not_before) = match self.now {
            Now::Pending { since } => (Call::Poll, self.attempt, since + policy.delay_min),
            Now::Running => (Call::AskFirst, self.attempt + 1, self.updated_at),
            Now::Fresh => (Call::Do, 1, self.updated_at),
            Now::Waiting => (
                if self.doubt { Call::AskFirst } else { Call::Do },
                self.attempt + 1,
                self.updated_at + policy.delay(self.attempt),
            ),
        };
        let state = &self.steps[i];
        let undoes = state.rounds[0];
        Next::Act {
            task: Task { step: state.step, undo, attempt, call, round: state.rounds[usize::from(undo)], undoes },
            not_before,
        }
    }

    /// The fact that follows from a reply to the current task. `None`: it is still pending, or no task is open.
    ///
    /// A provider's step of which some attempt may have arrived fails only if the provider says so. If that cannot be
    /// had, it ends unanswered, and is undone like a step that is done.
    pub fn fact(&self, reply: Reply, policy: &Policy, now: DateTime<Utc>) -> Option<Fact> {
        let (i, undo) = match self.phase {
            Phase::Forward(i) => (i, false),
            Phase::Back(i) => (i, true),
            _ => return None,
        };
        let step = self.steps[i].step;
        let attempt = if step.is_providers() { self.attempt } else { self.attempt + 1 };
        let is_last = attempt >= policy.attempts_max;
        let failed = |reason: &str, is_final| Some(Fact::Failed { step, undo, attempt, reason: cut(reason), is_final });
        match (reply, self.now) {
            (Reply::Done { reference }, _) => Some(Fact::Done { step, undo, reference }),
            (Reply::Refused(reason), _) => failed(&reason, true),
            (reply, Now::Pending { since }) => {
                let reason = match reply {
                    Reply::NotDone(reason) | Reply::Unknown(reason) => reason,
                    _ => "the provider has not finished it".into(),
                };
                let waited = (now - since).to_std().unwrap_or_default();
                let overdue = || Fact::Overdue {
                    step,
                    undo,
                    reason: cut(&format!("pending for {} s: {reason}", waited.as_secs())),
                };
                (waited >= policy.pending_max).then(overdue)
            }
            (Reply::NotDone(reason) | Reply::Unknown(reason), _) if !step.is_providers() => failed(&reason, is_last),
            (Reply::Pending, _) if !step.is_providers() => failed("the ledger does not leave steps pending", is_last),
            (Reply::Pending, _) => Some(Fact::Pending { step, undo, attempt }),
            (Reply::NotDone(reason), _) if !self.doubt => failed(&reason, is_last),
            (Reply::NotDone(reason) | Reply::Unknown(reason), _) => {
                Some(Fact::Unanswered { step, undo, attempt, reason: cut(&reason), is_final: is_last })
            }
        }
    }

    /// When to poll again after a poll at `now` that found it still pending: after as long as it has been pending
    /// already, but no sooner and no later than the policy's delays, and when it becomes overdue.
    pub fn poll_at(&self, policy: &Policy, now: DateTime<Utc>) -> DateTime<Utc> {
        let Now::Pending { since } = self.now else { return now };
        let waited = (now - since).to_std().unwrap_or_default();
        let left = policy.pending_max.saturating_sub(waited).max(policy.delay_min);
        now + waited.clamp(policy.delay_min, policy.delay_max.max(policy.delay_min)).min(left)
    }
}

fn cut(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect() // U+0000 could never be stored
}
