//! Amounts as people write them in the 64 bits of payment.v1, and back.

use crate::money::{Amount, AmountError, COMMON, decimal_text};

/// Decimals of a currency.
///
/// # Errors
/// When it is not known here.
pub fn exponent(currency: &str) -> Result<u8, String> {
    let found = COMMON.iter().find(|(code, _)| *code == currency).map(|(_, exponent)| *exponent);
    found.ok_or_else(|| {
        let known: Vec<_> = COMMON.iter().map(|(code, _)| *code).collect();
        format!("currency {currency:?} is unknown: allowed is {}", known.join(", "))
    })
}

/// `12.50` of a currency with two decimals is 1250.
///
/// # Errors
/// When it is no decimal number, has more decimals than the currency, or is too large.
pub fn minor_units(text: &str, currency: &str) -> Result<i64, String> {
    let exponent = exponent(currency)?;
    let amount = Amount::parse(text, exponent).map_err(|wrong| match wrong {
        AmountError::NotDecimal(_) => format!("amount {text:?} is no decimal number such as 12.50"),
        AmountError::TooPrecise { .. } => {
            format!("amount {text:?} has more decimals than {currency} allows: {exponent}")
        }
        AmountError::TooLarge => {
            format!("amount {text:?} is too large: allowed is up to {} {currency}", text_of(i64::MAX, exponent))
        }
    })?;
    let max = || format!("amount {text:?} is too large: allowed is up to {} {currency}", text_of(i64::MAX, exponent));
    i64::try_from(amount.minor_units()).map_err(|_| max())
}

/// 1250 of a currency with two decimals is `12.50`.
pub fn text_of(minor_units: i64, exponent: u8) -> String {
    decimal_text(minor_units.into(), exponent)
}
