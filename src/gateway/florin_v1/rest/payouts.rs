//! Payouts and card top-ups: reads the fields, starts a workflow, and answers it as a saga.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;

use crate::gateway::http::body::JsonBody;
use crate::gateway::accounts_v1::movements::Asked;
use crate::gateway::http::refusal::Refusal;
use super::requests::ProviderRequest;
use crate::gateway::accounts_v1::sagas::{Saga, workflow};
use crate::gateway::http::{Caller, App, text};
use crate::gateway::accounts_v1::declines;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, SagaOrder};
use crate::teller::validate::{ACCOUNT_MAX, CURRENCY_MAX, REFERENCE_MAX};
use crate::protocol::record::Kind;
use crate::saga::Workflow;

/// Bytes of the provider's token.
const INSTRUMENT_MAX: usize = 255;

/// Holds a customer's money and has the provider send it to a bank account.
#[utoipa::path(
    post, path = "/v1/payouts", tag = "transactions", request_body = ProviderRequest,
    responses((status = 201, description = "the money is held, and the saga durable; a repeat of the key is answered with the same saga", body = Saga))
)]
pub async fn payout(State(app): State<App>, Extension(caller): Extension<Caller>, body: JsonBody) -> Result<(StatusCode, Json<Saga>), Refusal> {
    start(&app, &caller, &body, Workflow::Payout).await
}

/// Has the provider charge a card, and credits the customer's account.
#[utoipa::path(
    post, path = "/v1/card-topups", tag = "transactions", request_body = ProviderRequest,
    responses((status = 201, description = "the saga is durable; a repeat of the key is answered with the same saga", body = Saga))
)]
pub async fn card_topup(State(app): State<App>, Extension(caller): Extension<Caller>, body: JsonBody) -> Result<(StatusCode, Json<Saga>), Refusal> {
    start(&app, &caller, &body, Workflow::CardTopup).await
}

async fn start(app: &App, caller: &Caller, body: &JsonBody, workflow: Workflow) -> Result<(StatusCode, Json<Saga>), Refusal> {
    let ledger = &app.0.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let mut asked = Asked::new(if workflow == Workflow::Payout { Kind::PAYOUT } else { Kind::CARD_TOPUP }, "amount");
    let account = fields.required("accountId", ACCOUNT_MAX);
    asked.amount = fields.amount("amount");
    asked.currency = fields.required("currency", CURRENCY_MAX);
    let instrument = fields.required("instrument", INSTRUMENT_MAX);
    asked.key = fields.uuid("idempotencyKey");
    asked.reference = fields.optional("reference", REFERENCE_MAX);
    fields.end()?;
    let currency = ledger.currency(&asked.currency).await?.ok_or_else(|| Refusal::no_currency(&asked.currency))?;
    let amount = text::amount("amount", &asked.amount.text, currency).map_err(|fault| Refusal::bad("INVALID_AMOUNT", fault))?;
    let counter = ledger.provider_account(currency)?;
    (asked.debit, asked.credit) = if workflow == Workflow::Payout { (account.clone(), counter) } else { (counter, account.clone()) };
    let (key, reference) = (asked.key.clone(), asked.reference.clone());
    let order = SagaOrder { workflow, account, amount, currency, instrument, key, reference };
    let correlation = Some(caller.correlation.as_str().to_owned());
    match ledger.start_saga(&caller.tenant, correlation, caller.maker.clone(), order, permit).await {
        Ok(Answer::Completed { id, .. }) => {
            // It is done; if that cannot be shown now, nothing must say that it was not.
            let saga = self::workflow(app, caller, id).await.ok().flatten();
            saga.map(|saga| (StatusCode::CREATED, Json(saga))).ok_or_else(|| unknown(Failure::Unknown, caller, asked.key.is_some()))
        }
        Ok(Answer::Declined { code, message, .. }) => Err(declines::refusal(ledger, caller, &asked, code, message, currency).await),
        Err(failure @ (Failure::Unknown | Failure::Deadline)) => Err(unknown(failure, caller, asked.key.is_some())),
        Err(failure) => Err(failure.into()),
    }
}

/// Without a key a repeat would move the money again.
fn unknown(failure: Failure, caller: &Caller, has_key: bool) -> Refusal {
    if has_key { failure.into() } else { Refusal { retry_after: None, ..declines::unknown_outcome(failure, caller) } }
}
