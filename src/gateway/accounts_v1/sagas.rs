//! Sagas as clients of the accounts REST API poll them. A movement inside the ledger is one atomic transaction, so its
//! saga is a view of that, completed or failed the moment it can be seen. A movement through the provider is a real
//! one, with its steps as they happen.

mod workflows;

use std::cmp::Reverse;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::accounts_v1::listing::{place, with_next_page};
use crate::gateway::accounts_v1::transactions::get;
use crate::gateway::accounts_v1::views::failure_code;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::{stored, time};
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::{Kind, RequestHash, TransactionId};
use crate::store;
use crate::store::transactions::{Cursor, Filter, TransactionRow};
use crate::telemetry::correlation;
use crate::teller::ledger::read_failure;
use crate::teller::native::pages;
use crate::teller::validate::{cut, text};

/// The steps of every movement; the journal takes all of them at once.
const STEPS: [&str; 4] = ["validate", "debit_source", "credit_destination", "complete"];
/// Types, and the kinds that they are.
const TYPES: [(&str, Kind); 5] = [
    ("topup", Kind::TOPUP),
    ("withdrawal", Kind::WITHDRAWAL),
    ("transfer", Kind::TRANSFER),
    ("payment", Kind::PAYMENT),
    ("refund", Kind::REFUND),
];
/// Sagas of one answer.
const LIMIT: std::ops::RangeInclusive<u32> = 1..=1_000;
const LIMIT_DEFAULT: u32 = 100;

/// A movement as a workflow.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Saga {
    /// In the journal: lists are in this order.
    #[serde(skip)]
    place: i64,
    /// The transaction's id.
    saga_id: String,
    /// `topup`, `withdrawal`, `transfer`, `payment`, `refund`, or a kind of Florin's own.
    #[schema(value_type = String)]
    saga_type: &'static str,
    /// `payout` or `card_topup`; none for a movement inside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    workflow: Option<&'static str>,
    /// `processing`, `compensating`, `completed` or `failed`.
    #[schema(value_type = String)]
    status: &'static str,
    /// It waits for an operator; its status is `compensating` meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stuck: bool,
    state: Progress,
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
    metadata: Box<serde_json::value::RawValue>,
}

/// How far it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SagaState)]
struct Progress {
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
    activity_history: Vec<Activity>,
}

/// A step that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Activity {
    #[schema(value_type = String)]
    step: &'static str,
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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
struct SagaData {
    transaction_id: String,
    amount: String,
    currency: String,
}

/// Why nothing was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SagaError {
    #[schema(value_type = String)]
    code: &'static str,
    message: String,
}

/// Whether a saga has ended.
#[derive(Debug, Serialize)]
pub struct Completion {
    complete: bool,
    status: &'static str,
}

/// A transaction with postings, as a saga.
fn saga(place: i64, row: TransactionRow) -> Option<Saga> {
    let posting = row.postings.into_iter().next()?;
    let exponent = posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0);
    let (id, at, failed) = (row.id.0.to_string(), time(row.created_at), row.decline.is_some());
    let done = if failed { 0 } else { STEPS.len() };
    let activity = |step, status| Activity { step, status, timestamp: at.clone() };
    let history = if failed {
        vec![activity(STEPS[0], "failed")]
    } else {
        STEPS.iter().map(|step| activity(step, "completed")).collect()
    };
    Some(Saga {
        place,
        saga_type: row.kind.as_str(),
        workflow: None,
        status: if failed { "failed" } else { "completed" },
        stuck: false,
        state: Progress {
            current_step: done,
            total_steps: STEPS.len(),
            completed_steps: STEPS[..done].to_vec(),
            pending_steps: Vec::new(),
            failed_step: failed.then_some(STEPS[0]),
            compensation_actions: Vec::new(),
            activity_history: history,
        },
        correlation_id: row.correlation,
        result: SagaResult {
            success: !failed,
            data: (!failed).then(|| SagaData {
                transaction_id: id.clone(),
                amount: stored(posting.amount, exponent),
                currency: posting.currency,
            }),
            error: row.decline.map(|(code, message)| SagaError { code: failure_code(row.kind, code), message }),
        },
        retry_count: 0,
        saga_id: id,
        started_at: at.clone(),
        updated_at: at.clone(),
        completed_at: Some(at),
        metadata: crate::gateway::http::text::metadata(row.metadata.as_deref()),
    })
}

async fn one(app: &App, caller: &Caller, id: &str) -> Result<Saga, Refusal> {
    if let Some(saga) = get(app, caller, id).await?.and_then(|row| saga(0, row)) {
        return Ok(saga);
    }
    let uuid = Uuid::try_parse(id).map_err(|_| missing(id))?;
    workflows::one(app, caller, TransactionId(uuid)).await?.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "TRANSACTION_NOT_FOUND", format!("Saga not found: {}", cut(id)))
}

/// One saga; its id is its transaction's.
#[utoipa::path(
    get, path = "/api/v1/sagas/{id}", tag = "sagas", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "the saga", body = Saga))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Saga>, Refusal> {
    Ok(Json(one(&app, &caller, &id).await?))
}

/// Whether a saga has ended.
pub async fn complete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Completion>, Refusal> {
    let saga = one(&app, &caller, &id).await?;
    Ok(Json(Completion { complete: ["completed", "failed"].contains(&saga.status), status: saga.status }))
}

/// Sagas, newest first.
#[utoipa::path(
    get, path = "/api/v1/sagas", tag = "sagas",
    params(
        ("type" = Option<String>, Query, description = "of this type", pattern = "^(topup|withdrawal|transfer|payment|refund)$"),
        ("limit" = Option<u32>, Query, description = "100 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "the header `X-Next-Page-Token` of the page before"),
    ),
    responses((status = 200, description = "the newest", body = Vec<Saga>,
        headers(("x-next-page-token" = String, description = "where the next page begins; absent after the last"))))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Response, Refusal> {
    let kind = query.choice("type", &TYPES);
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT, "");
    let token = query.text("pageToken", pages::TOKEN_LENGTH).unwrap_or_default();
    let name = kind.map_or("", Kind::as_str);
    let hash = RequestHash::of(&[b"GET /sagas", caller.tenant.as_bytes(), name.as_bytes()]);
    let start = place(&app, &mut query, hash, &token).await?;
    query.end()?;
    let seal = pages::seal(&app.ledger).await?;
    let kinds = TYPES.iter().map(|(_, kind)| *kind).filter(|known| kind.is_none_or(|kind| kind == *known)).collect();
    let filter = Filter { tenant: caller.tenant.to_string(), kinds, no_steps: true, ..Filter::default() };
    let _place = app.ledger.enter_read()?;
    let workflows = workflows::list(&app, &caller, kind, start.seq, i64::from(limit) + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = store::transactions::list(&app.ledger.parts().pool, &filter, start, limit).await;
    let page = page.map_err(|error| read_failure(&error))?;
    // Movements are known down to here, and nothing below is shown.
    let known = page.next.map_or(i64::MIN, |next| next.seq);
    let movements = page.rows.into_iter().filter_map(|(row, after)| saga(after.seq, row));
    let mut sagas = newest(movements.chain(workflows).filter(|saga| saga.place >= known));
    let next = match sagas.get(limit - 1) {
        Some(last) if sagas.len() > limit => Some(Cursor { seq: last.place, ..Cursor::START }),
        _ => page.next,
    };
    sagas.truncate(limit);
    Ok(with_next_page(Json(sagas).into_response(), next.map(|next| seal.token(hash, &next))))
}

/// The first saga of a correlation id; a client that gives each movement its own finds that one.
#[utoipa::path(
    get, path = "/api/v1/sagas/by-correlation/{id}", tag = "sagas", params(("id" = String, Path, description = "the correlation id")),
    responses((status = 200, description = "the first that carries it", body = Saga))
)]
pub async fn by_correlation(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Saga>, Refusal> {
    text("id", &id, correlation::BYTES_MAX).map_err(|_| missing(&id))?; // no transaction carries such an id
    let _place = app.ledger.enter_read()?;
    let workflow = workflows::first_of_correlation(&app, &caller, &id).await?;
    let row = store::transactions::first_of_correlation(&app.ledger.parts().pool, &caller.tenant, &id).await;
    let movement = row.map_err(|error| read_failure(&error))?.and_then(|row| saga(0, row));
    let first = workflow.into_iter().chain(movement).min_by(|a, b| a.started_at.cmp(&b.started_at));
    first.map(Json).ok_or_else(|| missing(&id))
}

/// Sagas of both kinds, the newest first.
fn newest(sagas: impl Iterator<Item = Saga>) -> Vec<Saga> {
    let mut sagas: Vec<Saga> = sagas.collect();
    sagas.sort_by_key(|saga| Reverse(saga.place));
    sagas
}

/// Sagas that wait for an operator, those that have for longest first.
#[utoipa::path(
    get, path = "/api/v1/admin/transactions/stuck", tag = "admin",
    params(("limit" = Option<u32>, Query, description = "100 by default", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "those that are stuck", body = Vec<Saga>))
)]
pub async fn stuck(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Vec<Saga>>, Refusal> {
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT, "");
    query.end()?;
    let _place = app.ledger.enter_read()?;
    let rows = store::sagas::stuck(&app.ledger.parts().pool, Some(&caller.tenant), limit.into()).await;
    Ok(Json(workflows::views(rows.map_err(|error| read_failure(&error))?)?))
}
