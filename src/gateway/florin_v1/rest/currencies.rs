//! Makes currencies, and takes them out of use.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;

use super::requests::{
    ANYTHING, CODE, CreateCurrencyRequest, EXPONENT, IS_ACTIVE, NAME, NEW_NAME, REASON, TYPE, UpdateCurrencyRequest,
};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::store::currencies::CurrencyChange;
use crate::teller::ledger::new_currency;
use crate::teller::native::views::Currency;
use crate::teller::validate::{self, CURRENCY_MAX};

/// Makes a currency, for all tenants of this ledger.
#[utoipa::path(
    post, path = "/v1/currencies", tag = "currencies", request_body = CreateCurrencyRequest,
    responses(
        (status = 201, description = "made", body = Currency),
        (status = 200, description = "it was there, with these properties", body = Currency),
        (status = 409, description = "there is one of this code with other properties", body = crate::gateway::http::refusal::ErrorBody<'static>),
    )
)]
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Currency>), Refusal> {
    let mut fields = body.object()?;
    let (code, name) = (fields.read(&CODE), fields.read(&NAME));
    let exponent = fields.read(&EXPONENT);
    let fiat = fields.read(&TYPE);
    let (metadata, reason) = (fields.read(&ANYTHING), fields.read(&REASON));
    fields.end()?;
    // they are there: else there was a fault
    let new = new_currency(code, name, exponent.unwrap_or_default(), fiat.unwrap_or_default(), metadata)?;
    let by = caller.operator(&reason)?;
    let (row, is_new) = app.ledger.create_currency(new, &caller.doing(&by)).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(row.into())))
}

/// Takes a currency out of use or back, or changes what is said of it.
///
/// One that is not in use takes no new accounts; those that it has go on.
#[utoipa::path(
    patch, path = "/v1/currencies/{code}", tag = "currencies", params(("code" = String, Path, description = "such as `USD`")),
    request_body = UpdateCurrencyRequest, responses((status = 200, description = "the currency as it then is", body = Currency))
)]
pub async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(code): Id,
    body: JsonBody,
) -> Result<Json<Currency>, Refusal> {
    let mut fields = body.object()?;
    let (active, name) = (fields.read(&IS_ACTIVE), fields.read(&NEW_NAME));
    let given = fields.is_given(ANYTHING.name);
    let metadata = fields.read(&ANYTHING);
    let reason = fields.read(&REASON);
    fields.end()?;
    validate::required(CODE.name, &code, CURRENCY_MAX)?;
    let by = caller.operator(&reason)?;
    let change = CurrencyChange { active, name, metadata: given.then_some(metadata) };
    Ok(Json(app.ledger.update_currency(&code, &change, &caller.doing(&by)).await?.into()))
}
