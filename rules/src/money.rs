//! Currencies, amounts and decimal text. Pure: knows no other room.
//!
//! An amount is an integer in the currency's minor unit, of at most 28 digits, so that NUMERIC(28,0) and `rust_decimal`
//! hold every amount without loss. Arithmetic is checked and text is exact; there are no floats, and nothing is rounded
//! silently.

mod amount;
mod currency;
mod exchange;
mod rounding;
pub mod shares;

pub use amount::{Amount, AmountError, decimal_text};
pub use currency::{COMMON, Currencies, Currency, CurrencyCode};
pub use exchange::{ExchangeError, ROUNDING, convert, exchange};
pub use rounding::Rounding;
