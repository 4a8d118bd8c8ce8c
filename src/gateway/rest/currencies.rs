//! The currencies of this ledger.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::refusal::Refusal;
use super::requests::{CreateCurrencyRequest, UpdateCurrencyRequest};
use super::views::metadata;
use super::{Caller, Id, Room};
use crate::teller::ledger::{EXPONENT_MAX, NAME_MAX, new_currency};
use crate::teller::validate::{self, CURRENCY_MAX};
use crate::store::currencies::{CurrencyChange, CurrencyRow};

/// What a currency is called by who issues it.
const TYPES: [(&str, bool); 2] = [("fiat", true), ("non-fiat", false)];

/// A currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Currency {
    #[schema(example = "USD")]
    code: String,
    #[schema(example = "US Dollar")]
    name: String,
    /// `fiat` or `non-fiat`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// Decimals of its smallest unit.
    #[schema(example = 2)]
    precision: i16,
    /// Whether it is in use: whether it takes new accounts.
    is_active: bool,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
}

impl From<CurrencyRow> for Currency {
    fn from(row: CurrencyRow) -> Self {
        Self {
            code: row.code,
            name: row.name,
            kind: TYPES[usize::from(!row.fiat)].0,
            precision: row.exponent,
            is_active: row.active,
            metadata: metadata(row.metadata.as_deref()),
        }
    }
}

/// All currencies.
#[utoipa::path(
    get, path = "/api/v1/currencies", tag = "currencies", responses((status = 200, description = "all of them", body = Vec<Currency>))
)]
pub async fn list(State(room): State<Room>) -> Result<Json<Vec<Currency>>, Refusal> {
    Ok(Json(room.0.ledger.currency_rows().await?.into_iter().map(Currency::from).collect()))
}

/// One currency; codes are case-sensitive.
#[utoipa::path(
    get, path = "/api/v1/currencies/{code}", tag = "currencies", params(("code" = String, Path, description = "such as `USD`")),
    responses((status = 200, description = "the currency", body = Currency))
)]
pub async fn read(State(room): State<Room>, Id(code): Id) -> Result<Json<Currency>, Refusal> {
    let row = room.0.ledger.currency_rows().await?.into_iter().find(|row| row.code == code);
    row.map(|row| Json(row.into())).ok_or_else(|| Refusal::no_currency(&code))
}

/// Makes a currency, for all tenants of this ledger.
#[utoipa::path(
    post, path = "/v1/currencies", tag = "currencies", request_body = CreateCurrencyRequest,
    responses(
        (status = 201, description = "made", body = Currency),
        (status = 200, description = "it was there, with these properties", body = Currency),
        (status = 409, description = "there is one of this code with other properties", body = super::refusal::ErrorBody<'static>),
    )
)]
pub async fn create(State(room): State<Room>, Extension(caller): Extension<Caller>, body: JsonBody) -> Result<(StatusCode, Json<Currency>), Refusal> {
    let mut fields = body.object()?;
    let (code, name) = (fields.required("code", CURRENCY_MAX), fields.required("name", NAME_MAX));
    let exponent = fields.whole("exponent", u32::try_from(EXPONENT_MAX).unwrap_or_default());
    let fiat = fields.choice("type", &TYPES);
    for (missing, name) in [(exponent.is_none(), "exponent"), (fiat.is_none(), "type")] {
        if missing && !fields.faults.iter().any(|fault| fault.starts_with(name)) {
            fields.fault(format!("{name} is required"));
        }
    }
    let (metadata, reason) = (fields.metadata("metadata"), fields.reason());
    fields.end()?;
    let new = new_currency(code, name, exponent.unwrap_or_default(), fiat.unwrap_or_default(), metadata)?; // they are there: else there was a fault
    let by = caller.operator(&reason)?;
    let (row, is_new) = room.0.ledger.create_currency(new, &caller.doing(&by)).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(row.into())))
}

/// Takes a currency out of use or back, or changes what is said of it. One that is not in use takes no new accounts; those that it has go on.
#[utoipa::path(
    patch, path = "/v1/currencies/{code}", tag = "currencies", params(("code" = String, Path, description = "such as `USD`")),
    request_body = UpdateCurrencyRequest, responses((status = 200, description = "the currency as it then is", body = Currency))
)]
pub async fn update(State(room): State<Room>, Extension(caller): Extension<Caller>, Id(code): Id, body: JsonBody) -> Result<Json<Currency>, Refusal> {
    let mut fields = body.object()?;
    let (active, name) = (fields.flag("isActive"), fields.optional("name", NAME_MAX));
    let given = fields.is_given("metadata");
    let metadata = fields.metadata("metadata");
    let reason = fields.reason();
    fields.end()?;
    validate::required("code", &code, CURRENCY_MAX)?;
    let by = caller.operator(&reason)?;
    let change = CurrencyChange { active, name, metadata: given.then_some(metadata) };
    Ok(Json(room.0.ledger.update_currency(&code, &change, &caller.doing(&by)).await?.into()))
}
