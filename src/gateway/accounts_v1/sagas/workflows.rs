//! Movements through the provider, as sagas of the accounts REST API: a payout is a withdrawal, a card top-up is a
//! top-up.

use chrono::{DateTime, Utc};
use serde_json::value::to_raw_value;

use crate::gateway::accounts_v1::sagas::{Activity, Progress, Saga, SagaData, SagaError, SagaResult};
use crate::gateway::accounts_v1::text::stored;
use crate::gateway::http::text::metadata;
use crate::gateway::http::text::time;
use crate::gateway::http::{App, Caller};
use crate::protocol::record::{Kind, TransactionId};
use crate::saga::{self, Fact, Status, Workflow};
use crate::store::sagas::{self, SagaRow};
use crate::teller::failure::Failure;
use crate::teller::ledger::{read_failure, replay};

/// One of a tenant, if there is one.
///
/// # Errors
/// What kept it from being read.
pub async fn one(app: &App, caller: &Caller, id: TransactionId) -> Result<Option<Saga>, Failure> {
    let _place = app.ledger.enter_read()?;
    let row = sagas::get(&app.ledger.parts().pool, Some(&caller.tenant), id).await;
    row.map_err(|error| read_failure(&error))?.map(view).transpose()
}

/// The newest, of the kind asked for. The caller has a place for a read.
pub(super) async fn list(app: &App, caller: &Caller, kind: Option<Kind>, limit: u32) -> Result<Vec<Saga>, Failure> {
    let of = |workflow: &Workflow| kind.is_none_or(|kind| kind == self::kind(*workflow));
    let workflows: Vec<Workflow> = [Workflow::Payout, Workflow::CardTopup].into_iter().filter(of).collect();
    if workflows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sagas::list(&app.ledger.parts().pool, &caller.tenant, &workflows, limit.into()).await;
    views(rows.map_err(|error| read_failure(&error))?)
}

/// Those of one correlation id. The caller has a place for a read.
pub(super) async fn by_correlation(app: &App, caller: &Caller, id: &str, limit: u32) -> Result<Vec<Saga>, Failure> {
    let rows = sagas::by_correlation(&app.ledger.parts().pool, &caller.tenant, id, limit.into()).await;
    views(rows.map_err(|error| read_failure(&error))?)
}

pub(super) fn views(rows: Vec<SagaRow>) -> Result<Vec<Saga>, Failure> {
    rows.into_iter().map(view).collect()
}

fn kind(workflow: Workflow) -> Kind {
    match workflow {
        Workflow::Payout => Kind::WITHDRAWAL,
        Workflow::CardTopup => Kind::TOPUP,
    }
}

/// A saga as the accounts REST API shows it.
pub fn view(row: SagaRow) -> Result<Saga, Failure> {
    let saga = replay(&row)?;
    let (order, status, id) = (saga.order(), saga.status(), row.id.0.to_string());
    let is = |wanted: saga::Progress| move |view: &saga::StepView<'_>| view.progress == wanted;
    let names = |wanted| saga.steps().filter(is(wanted)).map(|view| view.step.name(false)).collect::<Vec<_>>();
    let done = names(saga::Progress::Done);
    let goes_forward =
        status == Status::Processing || (status == Status::Stuck && saga.at().is_some_and(|(_, undo)| !undo));
    let failed = saga
        .steps()
        .find(|view| matches!(view.progress, saga::Progress::Failed | saga::Progress::Doubtful))
        .map(|view| view.step.name(false));
    let stuck = saga.at().filter(|_| status == Status::Stuck).map(|(step, undo)| step.name(undo));
    let ended = matches!(status, Status::Completed | Status::Failed);
    let error = match status {
        Status::Stuck => {
            let (at, why) = (
                stuck.unwrap_or_default(),
                saga.steps().filter(|view| saga.at().is_some_and(|(step, _)| step == view.step)),
            );
            let why = why.filter_map(|view| view.error).next().unwrap_or_default().to_owned();
            Some(SagaError { code: "SAGA_STUCK", message: format!("stuck at {at}: {why}") })
        }
        Status::Failed => {
            Some(SagaError { code: "SAGA_FAILED", message: saga.reason().unwrap_or_default().to_owned() })
        }
        Status::Processing | Status::Compensating | Status::Completed => None,
    };
    let data = SagaData {
        transaction_id: id.clone(),
        amount: stored(order.amount.minor_units(), order.exponent),
        currency: order.currency.clone(),
    };
    let tries: u32 =
        saga.steps().map(|view| view.attempts.saturating_sub(1) + view.undo_attempts.saturating_sub(1)).sum();
    Ok(Saga {
        saga_type: kind(order.workflow).as_str(),
        workflow: Some(order.workflow.as_str()),
        status: if status == Status::Stuck { Status::Compensating.as_str() } else { status.as_str() },
        stuck: stuck.is_some(),
        state: Progress {
            current_step: done.len(),
            total_steps: saga.steps().count(),
            completed_steps: done,
            pending_steps: if goes_forward { names(saga::Progress::Open) } else { Vec::new() },
            failed_step: stuck.or(failed),
            compensation_actions: saga
                .steps()
                .filter(is(saga::Progress::Undone))
                .map(|view| view.step.name(true))
                .collect(),
            activity_history: row.facts.iter().map(activity).collect(),
        },
        correlation_id: row.correlation.clone(),
        result: SagaResult {
            success: status == Status::Completed,
            data: (status == Status::Completed).then_some(data),
            error,
        },
        retry_count: tries,
        started_at: time(saga.started_at()),
        updated_at: time(saga.updated_at()),
        completed_at: ended.then(|| time(saga.updated_at())),
        metadata: to_raw_value(order).unwrap_or_else(|_| metadata(None)),
        saga_id: id,
    })
}

fn activity((fact, at): &(Fact, DateTime<Utc>)) -> Activity {
    let (step, status) = match fact {
        Fact::Started(_) => ("start", "completed"),
        Fact::Attempted { step, undo, .. } => (step.name(*undo), "attempted"),
        Fact::Done { step, undo, .. } => (step.name(*undo), "completed"),
        Fact::Pending { step, undo, .. } => (step.name(*undo), "pending"),
        Fact::Unanswered { step, undo, .. } => (step.name(*undo), "unanswered"),
        Fact::Failed { step, undo, .. } => (step.name(*undo), "failed"),
        Fact::Overdue { step, undo, .. } => (step.name(*undo), "overdue"),
        Fact::Retried { .. } => ("operator", "retried"),
        Fact::Resolved { .. } => ("operator", "resolved"),
    };
    Activity { step, status, timestamp: time(*at) }
}
