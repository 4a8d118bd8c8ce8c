//! Payouts and card top-ups: reads the fields, starts a workflow, and answers it as a saga.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;

use super::requests::{AMOUNT, CURRENCY, CUSTOMER, INSTRUMENT, ProviderRequest, REFERENCE, SAGA_KEY};
use super::{declined, post_refusal};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller};
use crate::saga::Workflow;
use crate::teller::declines::Side;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, SagaOrder};
use crate::teller::native::fields;
use crate::teller::native::views::Saga;

/// Holds a customer's money and has the provider send it to a bank account.
#[utoipa::path(
    post, path = "/v1/payouts", tag = "transactions", request_body = ProviderRequest,
    responses((status = 201, description = "the money is held, and the saga durable; a repeat of the key is answered with the same saga", body = Saga))
)]
pub async fn payout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    start(&app, &caller, &body, Workflow::Payout).await
}

/// Has the provider charge a card, and credits the customer's account.
#[utoipa::path(
    post, path = "/v1/card-topups", tag = "transactions", request_body = ProviderRequest,
    responses((status = 201, description = "the saga is durable; a repeat of the key is answered with the same saga", body = Saga))
)]
pub async fn card_topup(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    start(&app, &caller, &body, Workflow::CardTopup).await
}

async fn start(
    app: &App,
    caller: &Caller,
    body: &JsonBody,
    workflow: Workflow,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let account = fields.read(&CUSTOMER);
    let asked = fields.read(&AMOUNT);
    let code = fields.read(&CURRENCY);
    let instrument = fields.read(&INSTRUMENT);
    let (key, reference) = (fields.read(&SAGA_KEY), fields.read(&REFERENCE));
    fields.end()?;
    let known = ledger.ensure_known(std::iter::once(code.as_str())).await;
    known.map_err(|failure| failure.with_key(key.is_some()))?;
    let currency = fields::currency(&ledger.parts().currencies, CURRENCY.name, &code)?;
    let amount = fields::amount(AMOUNT.name, &asked.text, currency)?;
    let has_key = key.is_some();
    let order = SagaOrder { workflow, account: account.clone(), amount, currency, instrument, key, reference };
    let correlation = Some(caller.correlation.as_str().to_owned());
    match ledger.start_saga(&caller.tenant, correlation, caller.maker.clone(), order, permit).await {
        Ok(Answer::Completed { id, .. }) => {
            // It is done; if that cannot be shown now, nothing must say that it was not.
            let row = ledger.saga(&caller.tenant, id).await.ok().flatten();
            let saga = row.and_then(|row| Saga::try_from(row).ok());
            saga.map(|saga| (StatusCode::CREATED, Json(saga))).ok_or_else(|| post_refusal(Failure::Unknown, has_key))
        }
        Ok(Answer::Declined { code, message, .. }) => {
            let side = Side { debit: &account, credit: &account, currency: currency.code.as_str() };
            Err(declined(ledger, caller, &[side], (amount.minor_units(), currency.exponent), code, message).await)
        }
        Err(failure) => Err(post_refusal(failure, has_key)),
    }
}
