//! Currencies.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Metadata, name};
use crate::store::currencies::CurrencyRow;

/// Who issues a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurrencyType {
    /// A state.
    Fiat,
    /// Anybody else.
    NonFiat,
}

impl CurrencyType {
    /// The name wherever it is written as text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fiat => "fiat",
            Self::NonFiat => "non-fiat",
        }
    }
}

/// A currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeCurrency)]
pub struct Currency {
    #[schema(example = "USD")]
    pub code: String,
    #[schema(example = "US Dollar")]
    pub name: String,
    /// `fiat` or `non-fiat`.
    #[serde(rename = "type", serialize_with = "name")]
    #[schema(value_type = String)]
    pub issued_by: CurrencyType,
    /// Decimals of its smallest unit.
    #[schema(example = 2)]
    pub exponent: u32,
    /// Whether it takes new accounts.
    pub is_active: bool,
    #[schema(value_type = Object)]
    pub metadata: Metadata,
}

impl From<CurrencyRow> for Currency {
    fn from(row: CurrencyRow) -> Self {
        Self {
            code: row.code,
            name: row.name,
            issued_by: if row.fiat { CurrencyType::Fiat } else { CurrencyType::NonFiat },
            exponent: u32::try_from(row.exponent).unwrap_or_default(), // 0 to 18, as the table guards
            is_active: row.active,
            metadata: row.metadata.into(),
        }
    }
}
