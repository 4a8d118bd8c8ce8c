//! Movements through the provider, as sagas of the accounts REST API: a payout is a withdrawal, a card top-up is a
//! top-up.

use crate::gateway::accounts_v1::sagas::{Activity, Progress, Saga, SagaData, SagaError, SagaResult};
use crate::gateway::http::text::{stored, time};
use crate::gateway::http::{App, Caller};
use crate::protocol::record::{Kind, TransactionId};
use crate::saga::Workflow;
use crate::store::sagas::{self, SagaRow};
use crate::teller::failure::Failure;
use crate::teller::ledger::{read_failure, replay, shown};

/// One of a tenant, if there is one.
///
/// # Errors
/// What kept it from being read.
pub(super) async fn one(app: &App, caller: &Caller, id: TransactionId) -> Result<Option<Saga>, Failure> {
    app.ledger.saga(&caller.tenant, id).await?.map(view).transpose()
}

/// The newest below a place, of the kind asked for. The caller has a place for a read.
pub(super) async fn list(
    app: &App,
    caller: &Caller,
    kind: Option<Kind>,
    below: i64,
    limit: i64,
) -> Result<Vec<Saga>, Failure> {
    let of = |workflow: &Workflow| kind.is_none_or(|kind| kind == self::kind(*workflow));
    let workflows: Vec<Workflow> = [Workflow::Payout, Workflow::CardTopup].into_iter().filter(of).collect();
    if workflows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sagas::list(&app.ledger.parts().pool, &caller.tenant, &workflows, below, limit).await;
    views(rows.map_err(|error| read_failure(&error))?)
}

/// The first of one correlation id. The caller has a place for a read.
pub(super) async fn first_of_correlation(app: &App, caller: &Caller, id: &str) -> Result<Option<Saga>, Failure> {
    let row = sagas::first_of_correlation(&app.ledger.parts().pool, &caller.tenant, id).await;
    row.map_err(|error| read_failure(&error))?.map(view).transpose()
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
fn view(row: SagaRow) -> Result<Saga, Failure> {
    let saga = replay(&row)?;
    let (order, report, id) = (saga.order(), saga.report(), row.id.0.to_string());
    let data = SagaData {
        transaction_id: id.clone(),
        amount: stored(order.amount.minor_units(), order.exponent),
        currency: order.currency.clone(),
    };
    let activity = row.facts.iter().map(|(fact, at)| {
        let (step, status) = fact.step_and_state();
        Activity { step, status, timestamp: time(*at) }
    });
    Ok(Saga {
        place: row.seq,
        saga_id: id,
        saga_type: kind(order.workflow).as_str(),
        workflow: Some(order.workflow.as_str()),
        status: report.status,
        stuck: report.stuck,
        state: Progress {
            current_step: report.done.len(),
            total_steps: report.steps,
            completed_steps: report.done,
            pending_steps: report.pending,
            failed_step: report.failed,
            compensation_actions: report.undone,
            activity_history: activity.collect(),
        },
        correlation_id: row.correlation.clone(),
        result: SagaResult {
            success: report.completed,
            data: report.completed.then_some(data),
            error: report.error.map(|(code, message)| SagaError { code, message }),
        },
        retry_count: report.retries,
        started_at: time(saga.started_at()),
        updated_at: time(saga.updated_at()),
        completed_at: report.ended.then(|| time(saga.updated_at())),
        metadata: shown(order)?,
    })
}
