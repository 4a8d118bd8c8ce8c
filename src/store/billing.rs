//! Invoices, customers, legal entities and tax rates.

pub mod bills;
pub mod customers;
pub mod drafts;
pub mod entities;
pub mod exports;
pub mod facts;
pub mod invoices;
pub mod orders;
pub mod payments;
pub mod registrations;
pub mod tax_rates;

use crate::billing::NumberFormat;

/// A document's number as it is written. A format that cannot be read shows the bare number.
fn number_text(format: &str, year: i32, number: i64) -> String {
    let sequence = u64::try_from(number).unwrap_or_default();
    NumberFormat::parse(format).map_or_else(|_| number.to_string(), |format| format.render(year, sequence))
}
