//! How this contract writes amounts: with 8 decimals, whatever the currency has.

use crate::gateway::http::text::{DECIMALS, stored};
use crate::teller::externals::Among;

/// The balance of an account; those that stand for the world outside have none here.
pub fn shown(externals: &Among, account: &str, minor_units: i128, exponent: u8) -> String {
    stored(if externals.contains(account) { 0 } else { minor_units }, exponent)
}

/// The same of an amount's own decimal text.
pub fn at_rest(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<DECIMALS$}")
}
