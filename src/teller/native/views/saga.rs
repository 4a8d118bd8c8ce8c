//! Movements through the provider.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::money::decimal_text;
use crate::protocol::events::timestamp;
use crate::protocol::record::Kind;
use crate::saga::Workflow;
use crate::store::sagas::SagaRow;
use crate::teller::failure::Failure;
use crate::teller::ledger::{replay, shown};

/// A payout or a card top-up as a workflow.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeSaga)]
pub struct Saga {
    /// The transaction's id.
    saga_id: String,
    /// `withdrawal` or `topup`.
    #[schema(value_type = String)]
    saga_type: &'static str,
    /// `payout` or `card_topup`.
    #[schema(value_type = String)]
    workflow: &'static str,
    /// `processing`, `compensating`, `completed` or `failed`.
    #[schema(value_type = String)]
    status: &'static str,
    /// It waits for an operator; its status is `compensating` meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stuck: bool,
    state: SagaState,
    correlation_id: Option<String>,
    result: SagaResult,
    retry_count: u32,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
}

/// How far it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeSagaState)]
struct SagaState {
    /// How many steps are behind it.
    current_step: usize,
    total_steps: usize,
    #[schema(value_type = Vec<String>)]
    completed_steps: Vec<&'static str>,
    #[schema(value_type = Vec<String>)]
    pending_steps: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    failed_step: Option<&'static str>,
    #[schema(value_type = Vec<String>)]
    compensation_actions: Vec<&'static str>,
    activity_history: Vec<SagaActivity>,
}

/// A step that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NativeSagaActivity)]
struct SagaActivity {
    #[schema(value_type = String)]
    step: &'static str,
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NativeSagaResult)]
struct SagaResult {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<SagaData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<SagaError>,
}

/// What was moved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeSagaData)]
struct SagaData {
    transaction_id: String,
    amount: String,
    currency: String,
}

/// Why nothing was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NativeSagaError)]
struct SagaError {
    #[schema(value_type = String)]
    code: &'static str,
    message: String,
}

impl TryFrom<SagaRow> for Saga {
    type Error = Failure;

    fn try_from(row: SagaRow) -> Result<Self, Failure> {
        let saga = replay(&row)?;
        let (order, report, id) = (saga.order(), saga.report(), row.id.0.to_string());
        let data = SagaData {
            transaction_id: id.clone(),
            amount: decimal_text(order.amount.minor_units(), order.exponent),
            currency: order.currency.clone(),
        };
        let activity = row.facts.iter().map(|(fact, at)| {
            let (step, status) = fact.step_and_state();
            SagaActivity { step, status, timestamp: timestamp(*at) }
        });
        Ok(Self {
            saga_id: id,
            saga_type: match order.workflow {
                Workflow::Payout => Kind::WITHDRAWAL.as_str(),
                Workflow::CardTopup => Kind::TOPUP.as_str(),
            },
            workflow: order.workflow.as_str(),
            status: report.status,
            stuck: report.stuck,
            state: SagaState {
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
            started_at: timestamp(saga.started_at()),
            updated_at: timestamp(saga.updated_at()),
            completed_at: report.ended.then(|| timestamp(saga.updated_at())),
            metadata: shown(order)?,
        })
    }
}
