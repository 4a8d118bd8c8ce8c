//! The state that a saga's facts lead to. A fact that cannot follow is refused, never ignored.

use chrono::{DateTime, Utc};

use super::fact::{Fact, Order, Resolution, Step};
use super::view::Progress;

/// A fact that cannot follow those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact {n} ({fact}) cannot follow: {why}")]
pub struct Broken {
    /// Its number; the first is 0.
    pub n: usize,
    /// See [`Fact::brief`].
    pub fact: String,
    pub why: String,
}

/// How far a saga is, for readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes forward.
    Processing,
    /// It undoes its steps.
    Compensating,
    /// All of its steps are done.
    Completed,
    /// None of its steps has an effect.
    Failed,
    /// An operator must say how to go on.
    Stuck,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
        }
    }

    pub fn code(self) -> i16 {
        match self {
            Self::Processing => 1,
            Self::Compensating => 2,
            Self::Completed => 3,
            Self::Failed => 4,
            Self::Stuck => 5,
        }
    }
}

/// The direction of a saga, and the index of its current step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Forward(usize),
    Back(usize),
    Stuck { at: usize, undo: bool },
    Completed,
    Failed,
}

/// How the current step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// Not tried yet.
    Fresh,
    /// The provider was called, or is being called.
    Running,
    /// To be tried again.
    Waiting,
    /// The provider will say later how it ended.
    Pending { since: DateTime<Utc> },
}

/// One step after the facts about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepState {
    pub step: Step,
    pub progress: Progress,
    /// Of the step and of its undoing, over all rounds.
    pub attempts: [u32; 2],
    /// How often the step, and its undoing, failed for good. What is tried after that is another operation to the
    /// provider.
    pub rounds: [u32; 2],
    pub references: [Option<String>; 2],
    pub error: Option<String>,
    pub at: Option<DateTime<Utc>>,
}

/// The state of one saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saga {
    pub(super) order: Order,
    pub(super) version: usize,
    pub(super) started_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) steps: Vec<StepState>,
    pub(super) phase: Phase,
    pub(super) now: Now,
    /// Attempts at the current step; counts anew after an operator's retry.
    pub(super) attempt: u32,
    /// Whether an attempt at the current step may have had its effect.
    pub(super) doubt: bool,
    pub(super) reason: Option<String>,
}

impl Saga {
    /// A saga that was just requested.
    pub fn new(order: Order, at: DateTime<Utc>) -> Self {
        let step = |step: &Step| StepState {
            step: *step,
            progress: Progress::Open,
            attempts: [0; 2],
            rounds: [0; 2],
            references: [None, None],
            error: None,
            at: None,
        };
        let steps = order.workflow.steps().iter().map(step).collect();
        Self {
            order,
            version: 1,
            started_at: at,
            updated_at: at,
            steps,
            phase: Phase::Forward(0),
            now: Now::Fresh,
            attempt: 0,
            doubt: false,
            reason: None,
        }
    }

    /// The state after these facts.
    ///
    /// # Errors
    /// When a fact cannot follow those before it, or the first is not the start.
    pub fn replay(facts: impl IntoIterator<Item = (Fact, DateTime<Utc>)>) -> Result<Self, Broken> {
        let mut facts = facts.into_iter();
        let mut saga = match facts.next() {
            Some((Fact::Started(order), at)) => Self::new(order, at),
            Some((fact, _)) => {
                return Err(Broken { n: 0, fact: fact.brief(), why: "a saga begins with its order".into() });
            }
            None => return Err(Broken { n: 0, fact: "none".into(), why: "a saga begins with its order".into() }),
        };
        for (fact, at) in facts {
            saga.apply(&fact, at)?;
        }
        Ok(saga)
    }

    /// Adds one fact; a refused one changes nothing.
    ///
    /// # Errors
    /// When it cannot follow.
    pub fn apply(&mut self, fact: &Fact, at: DateTime<Utc>) -> Result<(), Broken> {
        self.follow(fact, at).map_err(|why| Broken { n: self.version, fact: fact.brief(), why })?;
        self.version += 1;
        self.updated_at = at;
        Ok(())
    }

    fn follow(&mut self, fact: &Fact, at: DateTime<Utc>) -> Result<(), String> {
        match fact {
            Fact::Started(_) => Err("it has begun".into()),
            Fact::Attempted { step, undo, attempt } => {
                let i = self.current(*step, *undo)?;
                demand(step.is_providers(), || "a step in the ledger has no attempts of its own".into())?;
                demand(!matches!(self.now, Now::Pending { .. }), || format!("{} is pending", step.name(*undo)))?;
                demand(*attempt == self.attempt + 1, || format!("the last attempt is {}", self.attempt))?;
                self.doubt |= self.now == Now::Running;
                self.now = Now::Running;
                self.attempt = *attempt;
                self.steps[i].attempts[usize::from(*undo)] += 1;
                self.steps[i].at = Some(at);
                Ok(())
            }
            Fact::Done { step, undo, reference } => {
                let i = self.current(*step, *undo)?;
                demand(!step.is_providers() || matches!(self.now, Now::Running | Now::Pending { .. }), || {
                    "the provider was not called".into()
                })?;
                let state = &mut self.steps[i];
                state.at = Some(at);
                state.references[usize::from(*undo)].clone_from(reference);
                state.progress = if *undo { Progress::Undone } else { Progress::Done };
                if *undo {
                    self.go_back(i)
                } else {
                    self.go_on(i + 1)
                }
                Ok(())
            }
            Fact::Pending { step, undo, attempt } => {
                let i = self.called(*step, *undo, *attempt)?;
                self.steps[i].at = Some(at);
                self.doubt = true;
                self.now = Now::Pending { since: at };
                Ok(())
            }
            Fact::Unanswered { step, undo, attempt, reason, is_final } => {
                let i = self.called(*step, *undo, *attempt)?;
                self.note(i, reason, at);
                self.doubt = true;
                self.now = Now::Waiting;
                if *is_final && *undo {
                    self.phase = Phase::Stuck { at: i, undo: true };
                } else if *is_final {
                    self.steps[i].progress = Progress::Doubtful;
                    self.turn(i + 1, reason);
                }
                Ok(())
            }
            Fact::Failed { step, undo, attempt, reason, is_final } => {
                self.fail(*step, *undo, *attempt, reason, *is_final, at)
            }
            Fact::Overdue { step, undo, reason } => {
                let i = self.current(*step, *undo)?;
                demand(matches!(self.now, Now::Pending { .. }), || format!("{} is not pending", step.name(*undo)))?;
                self.note(i, reason, at);
                self.phase = Phase::Stuck { at: i, undo: *undo };
                Ok(())
            }
            Fact::Retried { .. } => {
                let Phase::Stuck { at: i, undo } = self.phase else { return Err("it is not stuck".into()) };
                self.phase = if undo { Phase::Back(i) } else { Phase::Forward(i) };
                (self.now, self.attempt) = (Now::Waiting, 0);
                Ok(())
            }
            Fact::Resolved { how, reason, .. } => self.resolve(*how, reason, at),
        }
    }

    fn fail(
        &mut self,
        step: Step,
        undo: bool,
        attempt: u32,
        reason: &str,
        is_final: bool,
        at: DateTime<Utc>,
    ) -> Result<(), String> {
        let i = if step.is_providers() {
            let i = self.current(step, undo)?;
            demand(matches!(self.now, Now::Running | Now::Pending { .. }), || "the provider was not called".into())?;
            demand(attempt == self.attempt, || format!("the last attempt is {}", self.attempt))?;
            demand(is_final || !(self.doubt || matches!(self.now, Now::Pending { .. })), || {
                "an earlier attempt may have had its effect".into()
            })?;
            i
        } else {
            let i = self.current(step, undo)?;
            demand(attempt == self.attempt + 1, || format!("the last attempt is {}", self.attempt))?;
            self.attempt = attempt;
            self.steps[i].attempts[usize::from(undo)] += 1;
            i
        };
        self.note(i, reason, at);
        self.now = Now::Waiting;
        if is_final {
            self.doubt = false;
            self.steps[i].rounds[usize::from(undo)] += 1;
            if undo {
                self.phase = Phase::Stuck { at: i, undo: true };
            } else {
                self.steps[i].progress = Progress::Failed;
                self.turn(i, reason);
            }
        }
        Ok(())
    }

    /// Whether an operator may say this of the step in which the saga is stuck.
    ///
    /// # Errors
    /// When it is not stuck; or when the step is the ledger's own, which cannot be done by hand.
    pub fn may_resolve(&self, how: Resolution) -> Result<(), String> {
        let Phase::Stuck { at, .. } = self.phase else { return Err("it is not stuck".into()) };
        let step = self.steps[at].step;
        demand(how == Resolution::Undone || step.is_providers(), || {
            format!("{} is a step in the ledger, which is not done by hand", step.name(false))
        })
    }

    fn resolve(&mut self, how: Resolution, reason: &str, at: DateTime<Utc>) -> Result<(), String> {
        self.may_resolve(how)?;
        let Phase::Stuck { at: i, undo } = self.phase else { return Err("it is not stuck".into()) };
        self.steps[i].at = Some(at);
        match how {
            Resolution::Done => {
                self.steps[i].progress = Progress::Done;
                self.go_on(i + 1);
            }
            Resolution::Undone => {
                self.steps[i].progress = Progress::Undone;
                if undo { self.go_back(i) } else { self.turn(i, reason) }
            }
        }
        Ok(())
    }

    /// The index of the step that a fact is about, which must be the current one.
    fn current(&self, step: Step, undo: bool) -> Result<usize, String> {
        let (i, back) = match self.phase {
            Phase::Forward(i) => (i, false),
            Phase::Back(i) => (i, true),
            Phase::Stuck { .. } => return Err("it is stuck".into()),
            Phase::Completed => return Err("it is completed".into()),
            Phase::Failed => return Err("it has failed".into()),
        };
        let here = self.steps[i].step;
        demand((here, back) == (step, undo), || format!("it is at {}", here.name(back)))?;
        Ok(i)
    }

    /// As [`Self::current`], for a call to the provider that has no outcome yet.
    fn called(&self, step: Step, undo: bool, attempt: u32) -> Result<usize, String> {
        let i = self.current(step, undo)?;
        demand(step.is_providers() && self.now == Now::Running, || "the provider was not called".into())?;
        demand(attempt == self.attempt, || format!("the last attempt is {}", self.attempt))?;
        Ok(i)
    }

    fn note(&mut self, i: usize, reason: &str, at: DateTime<Utc>) {
        self.steps[i].error = Some(reason.to_owned());
        self.steps[i].at = Some(at);
    }

    fn fresh(&mut self, phase: Phase) {
        (self.phase, self.now, self.attempt, self.doubt) = (phase, Now::Fresh, 0, false);
    }

    fn go_on(&mut self, to: usize) {
        if let Some(next) = self.steps.get_mut(to) {
            next.progress = Progress::Open;
            self.fresh(Phase::Forward(to));
        } else {
            self.fresh(Phase::Completed);
        }
    }

    /// Turns round: the steps before this index are undone.
    fn turn(&mut self, before: usize, reason: &str) {
        self.reason.get_or_insert_with(|| reason.to_owned());
        self.go_back(before);
    }

    fn go_back(&mut self, before: usize) {
        let last = self.steps[..before]
            .iter()
            .rposition(|state| matches!(state.progress, Progress::Done | Progress::Doubtful));
        self.fresh(last.map_or(Phase::Failed, Phase::Back));
    }
}

fn demand(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
