//! Currencies.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::http::text::metadata;
use crate::store::currencies::CurrencyRow;

/// What a currency is called by who issues it.
pub const TYPES: [(&str, bool); 2] = [("fiat", true), ("non-fiat", false)];

/// A currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NativeCurrency {
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
    exponent: i16,
    /// Whether it takes new accounts.
    is_active: bool,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
}

impl From<CurrencyRow> for NativeCurrency {
    fn from(row: CurrencyRow) -> Self {
        Self {
            code: row.code,
            name: row.name,
            kind: TYPES[usize::from(!row.fiat)].0,
            exponent: row.exponent,
            is_active: row.active,
            metadata: metadata(row.metadata.as_deref()),
        }
    }
}
