//! A saga as its readers see it.

use chrono::{DateTime, Utc};

use super::fact::{Order, Step};
use super::state::{Phase, Saga, Status};

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Open,
    /// It has its effect.
    Done,
    /// It may have its effect: it is undone like one that has.
    Doubtful,
    /// It has no effect, and never will.
    Failed,
    /// It had its effect, and has it no more.
    Undone,
}

impl Progress {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Doubtful => "doubtful",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct StepView<'a> {
    pub step: Step,
    pub progress: Progress,
    /// Over all rounds.
    pub attempts: u32,
    /// Attempts at its undoing, over all rounds.
    pub undo_attempts: u32,
    /// The provider's own id of the operation.
    pub reference: Option<&'a str>,
    /// The provider's own id of its undoing.
    pub undo_reference: Option<&'a str>,
    /// What went wrong last.
    pub error: Option<&'a str>,
    /// When something happened to it last.
    pub at: Option<DateTime<Utc>>,
}

impl Saga {
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// How many facts it has.
    pub fn version(&self) -> usize {
        self.version
    }

    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// When its last fact was written.
    pub fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at
    }

    pub fn status(&self) -> Status {
        match self.phase {
            Phase::Forward(_) => Status::Processing,
            Phase::Back(_) => Status::Compensating,
            Phase::Stuck { .. } => Status::Stuck,
            Phase::Completed => Status::Completed,
            Phase::Failed => Status::Failed,
        }
    }

    /// Why it turned round; `None`: it did not.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The step where it is, or is stuck, and whether it undoes that step; `None`: it has ended.
    pub fn at(&self) -> Option<(Step, bool)> {
        match self.phase {
            Phase::Forward(i) => Some((self.steps[i].step, false)),
            Phase::Back(i) => Some((self.steps[i].step, true)),
            Phase::Stuck { at, undo } => Some((self.steps[at].step, undo)),
            Phase::Completed | Phase::Failed => None,
        }
    }

    /// In the order in which they are done.
    pub fn steps(&self) -> impl Iterator<Item = StepView<'_>> {
        self.steps.iter().map(|state| StepView {
            step: state.step,
            progress: state.progress,
            attempts: state.attempts[0],
            undo_attempts: state.attempts[1],
            reference: state.references[0].as_deref(),
            undo_reference: state.references[1].as_deref(),
            error: state.error.as_deref(),
            at: state.at,
        })
    }
}
