//! What a saga does next, and what is to be written down of what came of it.

use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::fact::{Fact, Step};
use super::state::{Now, Phase, Saga};

/// How long and how often a step is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts at a step; at least 1.
    pub attempts_max: u32,
    /// Delay after the first attempt; it doubles with each.
    pub delay_min: Duration,
    /// Up to this.
    pub delay_max: Duration,
    /// How long the provider may leave a step pending.
    pub pending_max: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A step, or its undoing.
    Act {
        /// Which.
        task: Task,
        /// When, at the earliest.
        not_before: DateTime<Utc>,
    },
    /// Nothing, ever.
    Ended,
    /// Nothing, until an operator says so.
    Stuck,
}

/// One step to be done or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which step.
    pub step: Step,
    /// Its undoing.
    pub undo: bool,
    /// The how manieth attempt it will be, or, for a poll, is.
    pub attempt: u32,
    /// How to go about it.
    pub call: Call,
    /// How often it failed for good before: the provider takes each round for an operation of its own.
    pub round: u32,
    /// The round of the step that this one undoes.
    pub undoes: u32,
}

/// How a task is gone about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is done.
    Do,
    /// The provider is asked first what became of the attempts before, and it is done only if it never heard of them.
    AskFirst,
    /// The provider is asked whether it is done by now. This is no attempt.
    Poll,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done {
        /// The provider's reference.
        reference: Option<String>,
    },
    /// It will be done, or not.
    Pending,
    /// It has no effect, and never will.
    Refused(String),
    /// This attempt certainly had no effect.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
}

/// Characters of a reason that are kept.
const REASON_MAX: usize = 300;

impl Task {
    /// The key by which the provider knows the operation: it is the same whoever does it, and however often.
    pub fn key(&self, saga: impl Display) -> String {
        key(saga, self.step, self.undo, self.round)
    }

    /// The key of the operation that this one undoes.
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
    /// What is to be done now.
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
            Now::Waiting => (if self.doubt { Call::AskFirst } else { Call::Do }, self.attempt + 1, self.updated_at + policy.delay(self.attempt)),
        };
        let state = &self.steps[i];
        let undoes = state.rounds[0];
        Next::Act { task: Task { step: state.step, undo, attempt, call, round: state.rounds[usize::from(undo)], undoes }, not_before }
    }

    /// The fact that a reply to the task it is at leads to; none while it is only still pending, and when no task is open.
    ///
    /// A step that some attempt may have reached the provider with fails only by the provider's word; if that cannot be had, it ends
    /// unanswered, and is undone like one that is done.
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
                let overdue = || Fact::Overdue { step, undo, reason: cut(&format!("pending for {} s: {reason}", waited.as_secs())) };
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

    /// When to ask again after a poll at `now` that found it still pending: after as long as it has been pending already, within the
    /// limits of delays, and when it becomes overdue.
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
