//! Top-up, withdrawal, transfer and payment: reads the fields, posts one command, and answers in the words of the
//! accounts REST API.

mod post;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::accounts_v1::requests::{
    AMOUNT, CURRENCY, CUSTOMER, DESTINATION, KEY, MERCHANT, MovementRequest, PAYMENT_METADATA, PaymentRequest,
    REFERENCE, REQUIRED_KEY, SOURCE,
};
use crate::gateway::http::body::{JsonBody, Object};
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::metadata;
use crate::gateway::http::text::{AmountText, time};
use crate::gateway::http::{App, Caller};
use crate::protocol::record::Kind;

pub use self::post::{Asked, post};

/// A movement that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    transaction_id: String,
    idempotency_key: Option<String>,
    /// `topup`, `withdrawal`, or `payment`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    source_account_id: String,
    destination_account_id: String,
    /// As it was sent.
    amount: AmountText,
    currency: String,
    source_balance_before: Option<String>,
    source_balance_after: Option<String>,
    destination_balance_before: Option<String>,
    destination_balance_after: Option<String>,
    /// `pending`: the movement is durable, and its saga tells what became of it.
    #[schema(value_type = String)]
    status: &'static str,
    reference: Option<String>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A transfer that was accepted; its two ids are equal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    debit_transaction_id: String,
    credit_transaction_id: String,
    idempotency_key: Option<String>,
    source_account_id: String,
    destination_account_id: String,
    /// As it was sent.
    amount: AmountText,
    currency: String,
    source_balance_before: Option<String>,
    source_balance_after: Option<String>,
    destination_balance_before: Option<String>,
    destination_balance_after: Option<String>,
    /// `pending`: the movement is durable, and its saga tells what became of it.
    #[schema(value_type = String)]
    status: &'static str,
    reference: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A payment that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    transaction_id: String,
    idempotency_key: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    customer_account_id: String,
    merchant_account_id: String,
    source_account_id: String,
    destination_account_id: String,
    /// As it was sent.
    amount: AmountText,
    currency: String,
    source_balance_before: Option<String>,
    source_balance_after: Option<String>,
    destination_balance_before: Option<String>,
    destination_balance_after: Option<String>,
    customer_balance_before: Option<String>,
    customer_balance_after: Option<String>,
    merchant_balance_before: Option<String>,
    merchant_balance_after: Option<String>,
    /// `pending`: the movement is durable, and its saga tells what became of it.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = Object)]
    payment_metadata: Box<RawValue>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// What clients of the accounts REST API hear of a movement that is done: they ask the saga for the rest.
pub const PENDING: &str = "pending";

/// Puts money on an account, from outside.
#[utoipa::path(
    post, path = "/api/v1/transactions/topup", tag = "transactions", request_body = MovementRequest,
    responses((status = 201, description = "durable", body = Movement))
)]
pub async fn topup(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    one_way(&app, &caller, &body, Kind::TOPUP).await
}

/// Takes money off an account, to the outside.
#[utoipa::path(
    post, path = "/api/v1/transactions/withdraw", tag = "transactions", request_body = MovementRequest,
    responses((status = 201, description = "durable", body = Movement))
)]
pub async fn withdraw(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    one_way(&app, &caller, &body, Kind::WITHDRAWAL).await
}

async fn one_way(app: &App, caller: &Caller, body: &JsonBody, kind: Kind) -> Result<Response, Refusal> {
    let permit = app.ledger.enter()?;
    let asked = movement(body.object()?, kind)?;
    let moved = post(app, caller, &asked, permit).await?;
    let answer = Movement {
        transaction_id: moved.id.0.to_string(),
        idempotency_key: asked.key,
        kind: kind.as_str(),
        source_account_id: asked.debit,
        destination_account_id: asked.credit,
        amount: asked.amount,
        currency: asked.currency,
        source_balance_before: moved.debit.0,
        source_balance_after: moved.debit.1,
        destination_balance_before: moved.credit.0,
        destination_balance_after: moved.credit.1,
        status: PENDING,
        reference: asked.reference,
        metadata: metadata(None),
        created_at: time(moved.created_at),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Moves money between two accounts.
#[utoipa::path(
    post, path = "/api/v1/transactions/transfer", tag = "transactions", request_body = MovementRequest,
    responses((status = 201, description = "durable", body = Transfer))
)]
pub async fn transfer(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let permit = app.ledger.enter()?;
    let asked = movement(body.object()?, Kind::TRANSFER)?;
    let moved = post(&app, &caller, &asked, permit).await?;
    let answer = Transfer {
        debit_transaction_id: moved.id.0.to_string(),
        credit_transaction_id: moved.id.0.to_string(),
        idempotency_key: asked.key,
        source_account_id: asked.debit,
        destination_account_id: asked.credit,
        amount: asked.amount,
        currency: asked.currency,
        source_balance_before: moved.debit.0,
        source_balance_after: moved.debit.1,
        destination_balance_before: moved.credit.0,
        destination_balance_after: moved.credit.1,
        status: PENDING,
        reference: asked.reference,
        created_at: time(moved.created_at),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A customer pays a merchant.
#[utoipa::path(
    post, path = "/api/v1/transactions/payment", tag = "transactions", request_body = PaymentRequest,
    responses((status = 201, description = "durable", body = Payment))
)]
pub async fn payment(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let mut asked = Asked::new(Kind::PAYMENT, AMOUNT.name);
    asked.debit = fields.read(&CUSTOMER);
    asked.credit = fields.read(&MERCHANT);
    asked.amount = fields.read(&AMOUNT);
    asked.currency = fields.read(&CURRENCY);
    asked.key = fields.read(&KEY);
    asked.metadata = fields.read(&PAYMENT_METADATA);
    fields.end()?;
    let moved = post(&app, &caller, &asked, permit).await?;
    let answer = Payment {
        transaction_id: moved.id.0.to_string(),
        idempotency_key: asked.key,
        kind: asked.kind.as_str(),
        customer_account_id: asked.debit.clone(),
        merchant_account_id: asked.credit.clone(),
        source_account_id: asked.debit,
        destination_account_id: asked.credit,
        amount: asked.amount,
        currency: asked.currency,
        source_balance_before: moved.debit.0.clone(),
        source_balance_after: moved.debit.1.clone(),
        destination_balance_before: moved.credit.0.clone(),
        destination_balance_after: moved.credit.1.clone(),
        customer_balance_before: moved.debit.0,
        customer_balance_after: moved.debit.1,
        merchant_balance_before: moved.credit.0,
        merchant_balance_after: moved.credit.1,
        status: PENDING,
        payment_metadata: metadata(asked.metadata.as_deref()),
        metadata: metadata(asked.metadata.as_deref()),
        created_at: time(moved.created_at),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn movement(mut fields: Object<'_>, kind: Kind) -> Result<Asked, Refusal> {
    let mut asked = Asked::new(kind, AMOUNT.name);
    asked.key = fields.read(&REQUIRED_KEY);
    asked.debit = fields.read(&SOURCE);
    asked.credit = fields.read(&DESTINATION);
    asked.amount = fields.read(&AMOUNT);
    asked.currency = fields.read(&CURRENCY);
    asked.reference = fields.read(&REFERENCE);
    fields.end()?;
    Ok(asked)
}
