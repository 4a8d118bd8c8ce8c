//! The currencies of this ledger.

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::views::metadata;
use super::{Id, Room};
use crate::gateway::ledger::read_failure;
use crate::store;
use crate::store::accounts::CurrencyRow;

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
    /// Whether it is in use.
    is_active: bool,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
}

impl From<CurrencyRow> for Currency {
    fn from(row: CurrencyRow) -> Self {
        Self {
            code: row.code,
            name: row.name,
            kind: if row.fiat { "fiat" } else { "non-fiat" },
            precision: row.exponent,
            is_active: row.active,
            metadata: metadata(row.metadata.as_deref()),
        }
    }
}

async fn rows(room: &Room) -> Result<Vec<CurrencyRow>, Refusal> {
    let _place = room.0.ledger.enter_read()?;
    let rows = store::accounts::currency_rows(&room.0.ledger.parts().pool).await;
    Ok(rows.map_err(|error| read_failure(&error))?)
}

/// All currencies.
#[utoipa::path(
    get, path = "/api/v1/currencies", tag = "currencies", responses((status = 200, description = "all of them", body = Vec<Currency>))
)]
pub async fn list(State(room): State<Room>) -> Result<Json<Vec<Currency>>, Refusal> {
    Ok(Json(rows(&room).await?.into_iter().map(Currency::from).collect()))
}

/// One currency; codes are case-sensitive.
#[utoipa::path(
    get, path = "/api/v1/currencies/{code}", tag = "currencies", params(("code" = String, Path, description = "such as `USD`")),
    responses((status = 200, description = "the currency", body = Currency))
)]
pub async fn read(State(room): State<Room>, Id(code): Id) -> Result<Json<Currency>, Refusal> {
    let row = rows(&room).await?.into_iter().find(|row| row.code == code);
    row.map(|row| Json(row.into())).ok_or_else(|| Refusal::no_currency(&code))
}
