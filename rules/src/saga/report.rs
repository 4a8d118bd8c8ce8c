//! A saga as callers are told of it, whatever the wire.

use super::fact::Fact;
use super::state::{Saga, Status};
use super::view::{Progress, StepView};

/// How far a saga is, and what became of its steps, each by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One that is stuck is told as `compensating`.
    pub status: &'static str,
    /// Whether it waits for an operator.
    pub stuck: bool,
    pub completed: bool,
    /// Whether nothing more happens.
    pub ended: bool,
    /// How many steps it has.
    pub steps: usize,
    pub done: Vec<&'static str>,
    /// Empty once it goes back.
    pub pending: Vec<&'static str>,
    pub failed: Option<&'static str>,
    /// By the names of the undoings.
    pub undone: Vec<&'static str>,
    /// A code and why.
    pub error: Option<(&'static str, String)>,
    /// Attempts after the first of each step and each undoing.
    pub retries: u32,
}

impl Saga {
    pub fn report(&self) -> Report {
        let status = self.status();
        let is = |wanted: Progress| move |view: &StepView<'_>| view.progress == wanted;
        let names = |wanted| self.steps().filter(is(wanted)).map(|view| view.step.name(false)).collect::<Vec<_>>();
        let goes_forward =
            status == Status::Processing || (status == Status::Stuck && self.at().is_some_and(|(_, undo)| !undo));
        let failed = self.steps().find(|view| matches!(view.progress, Progress::Failed | Progress::Doubtful));
        let stuck = self.at().filter(|_| status == Status::Stuck).map(|(step, undo)| step.name(undo));
        let error = match status {
            Status::Stuck => {
                let here = self.steps().filter(|view| self.at().is_some_and(|(step, _)| step == view.step));
                let why = here.filter_map(|view| view.error).next().unwrap_or_default();
                Some(("SAGA_STUCK", format!("stuck at {}: {why}", stuck.unwrap_or_default())))
            }
            Status::Failed => Some(("SAGA_FAILED", self.reason().unwrap_or_default().to_owned())),
            Status::Processing | Status::Compensating | Status::Completed => None,
        };
        Report {
            status: if status == Status::Stuck { Status::Compensating.as_str() } else { status.as_str() },
            stuck: stuck.is_some(),
            completed: status == Status::Completed,
            ended: matches!(status, Status::Completed | Status::Failed),
            steps: self.steps().count(),
            done: names(Progress::Done),
            pending: if goes_forward { names(Progress::Open) } else { Vec::new() },
            failed: stuck.or(failed.map(|view| view.step.name(false))),
            undone: self.steps().filter(is(Progress::Undone)).map(|view| view.step.name(true)).collect(),
            error,
            retries: self
                .steps()
                .map(|view| view.attempts.saturating_sub(1) + view.undo_attempts.saturating_sub(1))
                .sum(),
        }
    }
}

impl Fact {
    /// The step that it is about, and what happened to it.
    pub fn step_and_state(&self) -> (&'static str, &'static str) {
        match self {
            Self::Started(_) => ("start", "completed"),
            Self::Attempted { step, undo, .. } => (step.name(*undo), "attempted"),
            Self::Done { step, undo, .. } => (step.name(*undo), "completed"),
            Self::Pending { step, undo, .. } => (step.name(*undo), "pending"),
            Self::Unanswered { step, undo, .. } => (step.name(*undo), "unanswered"),
            Self::Failed { step, undo, .. } => (step.name(*undo), "failed"),
            Self::Overdue { step, undo, .. } => (step.name(*undo), "overdue"),
            Self::Retried { .. } => ("operator", "retried"),
            Self::Resolved { .. } => ("operator", "resolved"),
        }
    }
}
