//! What gives back: refunds of payments, reversals of anything.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use uuid::Uuid;

use crate::gateway::florin_v1::rest::requests::{DESCRIPTION, PART, RefundPaymentRequest, ReverseRequest};
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::TransactionId;
use crate::teller::native::returns::{self, Part, Refund};
use crate::teller::native::views::PostedTransaction;

/// Gives back a payment, or a part of it; all refunds of it are at most its amount.
#[utoipa::path(
    post, path = "/v1/transactions/{id}/refund", tag = "native transactions", params(("id" = String, Path, description = "the payment's id, or a capture's")),
    request_body = RefundPaymentRequest, responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn refund(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let part = fields.read(&PART).map_or(Part::Rest, |amount| Part::Amount(amount.text));
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let (payment, has_key, call) = (named(&id)?, words.key.is_some(), caller.call());
    let posted = returns::refund(ledger, &call, call.deadline(ledger), Refund { payment, part, words }, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// Undoes a transaction by its opposite: each posting the other way round, once.
#[utoipa::path(
    post, path = "/v1/transactions/{id}/reverse", tag = "native transactions", params(("id" = String, Path, description = "the transaction's id")),
    request_body = ReverseRequest, responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn reverse(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let mut words = reading::words(&mut fields);
    words.description = fields.read(&DESCRIPTION);
    fields.end()?;
    let (original, has_key) = (named(&id)?, words.key.is_some());
    let posted = returns::reverse(ledger, &caller.call(), original, words, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// What cannot be the id of a transaction names none.
fn named(id: &str) -> Result<TransactionId, Refusal> {
    Uuid::try_parse(id).map(TransactionId).map_err(|_| Refusal::no_transaction(id))
}
