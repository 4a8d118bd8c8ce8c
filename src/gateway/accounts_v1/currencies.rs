//! The currencies of this ledger.

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::metadata;
use crate::gateway::http::{App, Id};
use crate::store::currencies::CurrencyRow;

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
pub async fn list(State(app): State<App>) -> Result<Json<Vec<Currency>>, Refusal> {
    Ok(Json(app.ledger.currency_rows().await?.into_iter().map(Currency::from).collect()))
}

/// One currency; codes are case-sensitive.
#[utoipa::path(
    get, path = "/api/v1/currencies/{code}", tag = "currencies", params(("code" = String, Path, description = "such as `USD`")),
    responses((status = 200, description = "the currency", body = Currency))
)]
pub async fn read(State(app): State<App>, Id(code): Id) -> Result<Json<Currency>, Refusal> {
    let row = app.ledger.currency_rows().await?.into_iter().find(|row| row.code == code);
    row.map(|row| Json(row.into())).ok_or_else(|| Refusal::no_currency(&code))
}
