//! Rates of exchange.

use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::events::timestamp;
use crate::store::rates::RateRow;

/// A rate of exchange: one unit of `base` is `rate` units of `quote`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Its number.
    pub id: i64,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    #[schema(example = "0.9215")]
    pub rate: String,
    /// Who quoted it.
    pub source: String,
    /// When it was quoted: its age counts from here.
    #[schema(format = DateTime)]
    pub observed_at: String,
    /// When it was stored.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<RateRow> for Rate {
    fn from(row: RateRow) -> Self {
        Self {
            id: row.id,
            base: row.base,
            quote: row.quote,
            rate: row.rate.0.to_string(),
            source: row.source,
            observed_at: timestamp(row.observed_at),
            created_at: timestamp(row.created_at),
        }
    }
}
