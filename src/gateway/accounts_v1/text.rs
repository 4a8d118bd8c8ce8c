//! How this contract writes amounts: with 8 decimals, whatever the currency has.

use crate::money::decimal_text;
use crate::teller::externals::Among;

/// Decimals of every stored amount; a currency with more keeps its own.
const DECIMALS: usize = 8;

/// A stored amount: exactly 8 decimals, or the currency's own if it has more.
pub fn stored(minor_units: i128, exponent: u8) -> String {
    let (mut text, places) = (decimal_text(minor_units, exponent), usize::from(exponent));
    if places == 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', DECIMALS.saturating_sub(places)));
    text
}

/// The balance of an account; those that stand for the world outside have none here.
pub fn shown(externals: &Among, account: &str, minor_units: i128, exponent: u8) -> String {
    stored(if externals.contains(account) { 0 } else { minor_units }, exponent)
}

/// The same of an amount's own decimal text.
pub fn at_rest(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<DECIMALS$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Amount;

    #[test]
    fn what_is_stored_has_eight_decimals_or_the_currencys_own() {
        for (units, exponent, text) in [
            (10_000, 2, "100.00000000"),
            (-5, 2, "-0.05000000"),
            (0, 2, "0.00000000"),
            (7, 0, "7.00000000"),
            (1, 8, "0.00000001"),
            (1, 3, "0.00100000"),
            (1_500_000_000_000_000_000, 18, "1.500000000000000000"),
        ] {
            assert_eq!(stored(units, exponent), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back_as_the_same_amount(units in 1i128..=9_999_999_999_999_999_999_999_999_999, exponent in 0u8..=18) {
            let shown = stored(units, exponent);
            prop_assert_eq!(Amount::parse(&shown, exponent).map(Amount::minor_units), Ok(units));
            prop_assert!(shown.split_once('.').is_some_and(|(_, fraction)| fraction.len() == DECIMALS.max(usize::from(exponent))));
        }
    }
}
