//! Currencies, amounts and decimal text. Pure: knows nobody.
//!
//! An amount is an integer of the currency's minor unit, at most 28 digits, so that NUMERIC(28,0) and `rust_decimal` carry every
//! amount without loss. Arithmetic is checked; text is exact; there are no floats and no silent rounding.

mod amount;
mod currency;
mod exchange;

pub use amount::{Amount, AmountError, decimal_text};
pub use currency::{COMMON, Currencies, Currency, CurrencyCode};
pub use exchange::{ExchangeError, ROUNDING, exchange};
