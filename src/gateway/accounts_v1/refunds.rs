//! Refunds: a payment, or a part of it, goes back. The ledger sees to it that all parts together are at most the
//! payment.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::accounts_v1::movements::{Asked, PENDING, post};
use crate::gateway::accounts_v1::requests::{CURRENCY, KEY, ORIGINAL, REFUND_AMOUNT, REFUND_METADATA, RefundRequest};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::metadata;
use crate::gateway::http::text::{AmountText, time};
use crate::gateway::http::{App, Caller};
use crate::protocol::record::{Kind, TransactionId};
use crate::teller::ledger::{NotRefundable, Refundable};

/// A refund that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    refund_id: String,
    transaction_id: String,
    original_payment_id: String,
    idempotency_key: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    merchant_account_id: String,
    customer_account_id: String,
    source_account_id: String,
    destination_account_id: String,
    /// As it was sent.
    refund_amount: AmountText,
    /// The same.
    amount: AmountText,
    currency: String,
    merchant_balance_before: Option<String>,
    merchant_balance_after: Option<String>,
    customer_balance_before: Option<String>,
    customer_balance_after: Option<String>,
    /// `pending`: the movement is durable, and its saga tells what became of it.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = Object)]
    refund_metadata: Box<RawValue>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// Gives back a payment, or a part of it.
#[utoipa::path(
    post, path = "/api/v1/transactions/refund", tag = "transactions", request_body = RefundRequest,
    responses((status = 201, description = "durable", body = Refund))
)]
pub async fn refund(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let original = fields.read(&ORIGINAL);
    let mut asked = Asked::new(Kind::REFUND, REFUND_AMOUNT.name);
    asked.amount = fields.read(&REFUND_AMOUNT);
    asked.currency = fields.read(&CURRENCY);
    asked.key = fields.read(&KEY);
    asked.metadata = fields.read(&REFUND_METADATA);
    fields.end()?;
    let paid = payment(&app, &caller, &original, asked.key.is_some()).await?;
    (asked.debit, asked.credit) = (paid.posting.credit.clone(), paid.posting.debit.clone());
    let original_payment_id = paid.payment.0.to_string();
    asked.refund_of = Some(paid);
    let moved = post(&app, &caller, &asked, permit).await?;
    let answer = Refund {
        refund_id: moved.id.0.to_string(),
        transaction_id: moved.id.0.to_string(),
        original_payment_id,
        idempotency_key: asked.key,
        kind: asked.kind.as_str(),
        merchant_account_id: asked.debit.clone(),
        customer_account_id: asked.credit.clone(),
        source_account_id: asked.debit,
        destination_account_id: asked.credit,
        refund_amount: asked.amount.clone(),
        amount: asked.amount,
        currency: asked.currency,
        merchant_balance_before: moved.debit.0,
        merchant_balance_after: moved.debit.1,
        customer_balance_before: moved.credit.0,
        customer_balance_after: moved.credit.1,
        status: PENDING,
        refund_metadata: metadata(asked.metadata.as_deref()),
        created_at: time(moved.created_at),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// The payment that is to be given back.
async fn payment(app: &App, caller: &Caller, id: &str, has_key: bool) -> Result<Refundable, Refusal> {
    let missing = || Refusal::no_transaction(id);
    let uuid = Uuid::try_parse(id).map_err(|_| missing())?;
    let found = app.ledger.refundable(&caller.tenant, TransactionId(uuid)).await;
    match found.map_err(|failure| failure.with_key(has_key))? {
        Ok(paid) => Ok(paid),
        Err(NotRefundable::Unknown) => Err(missing()),
        Err(NotRefundable::IsRefund) => {
            Err(Refusal::bad("VALIDATION_FAILED", format!("Transaction {uuid} is a refund: it cannot be given back")))
        }
    }
}
