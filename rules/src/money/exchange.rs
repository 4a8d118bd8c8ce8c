//! Exchange: what an amount of one currency is worth in another, at a rate.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use rust_decimal::Decimal;

use super::{Amount, AmountError, Currency, Rounding};

/// How an amount that arrives is rounded to its currency's smallest unit. It is rounded down, so that nobody gains by an
/// exchange in many small pieces.
pub const ROUNDING: Rounding = Rounding::Down;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Less than the smallest unit would arrive.
    #[error("the amount comes to nothing at this rate")]
    Nothing,
    /// More than an amount can have.
    #[error("the amount comes to more than 28 digits at this rate")]
    TooLarge,
}

/// What an amount of `from`, above zero, is worth in `to`. One unit of `from` is `rate` units of `to`.
///
/// # Errors
/// When nothing would arrive, or too much.
pub fn exchange(amount: Amount, from: Currency, to: Currency, rate: Decimal) -> Result<Amount, ExchangeError> {
    let arrives = convert(amount, from, to, rate, ROUNDING).map_err(|_| ExchangeError::TooLarge)?;
    if arrives <= Amount::ZERO { Err(ExchangeError::Nothing) } else { Ok(arrives) }
}

/// An amount of `from` in units of `to`, computed exactly and rounded once. One unit of `from` is `rate` units of `to`.
///
/// # Errors
/// `TooLarge` when it comes to more than 28 digits.
pub fn convert(
    amount: Amount,
    from: Currency,
    to: Currency,
    rate: Decimal,
    rounding: Rounding,
) -> Result<Amount, AmountError> {
    let product = BigInt::from(amount.minor_units()) * rate.mantissa();
    rounding.amount(&BigDecimal::new(product, i64::from(from.exponent) + i64::from(rate.scale())), to.exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::CurrencyCode;

    fn currency(code: &str, exponent: u8) -> Currency {
        Currency { code: CurrencyCode::parse(code).unwrap(), exponent }
    }

    fn exchanged(amount: &str, from: u8, to: u8, rate: &str) -> Result<String, ExchangeError> {
        let (from, to) = (currency("AAA", from), currency("BBB", to));
        let amount = Amount::parse(amount, from.exponent).unwrap();
        exchange(amount, from, to, rate.parse().unwrap()).map(|amount| amount.text(to.exponent))
    }

    #[test]
    fn amounts_arrive_in_the_other_currencys_smallest_unit_rounded_down() {
        for (amount, from, to, rate, arrives) in [
            ("100.00", 2, 2, "0.92", "92.00"),
            ("100.00", 2, 0, "151.374", "15137"),
            ("100", 0, 2, "0.0066", "0.66"),
            ("1.000000000000000000", 18, 2, "1850.123456", "1850.12"),
            ("0.01", 2, 18, "0.0005", "0.000005000000000000"),
            ("60000.000000000000000000", 18, 2, "1850.123456", "111007407.36"),
            ("60000.000000000000000000", 18, 18, "1234.567890123456", "74074073.407407360000000000"),
            ("1", 0, 2, "0.0066", "0"),    // 0.66 cents
            ("2", 0, 2, "0.0066", "0.01"), // 1.32 cents
            ("0.01", 2, 2, "0.999999", "0"),
            ("0.03", 2, 2, "0.5", "0.01"),
            ("0.05", 2, 2, "0.599999", "0.02"),
            ("99999999999999999999999999.99", 2, 2, "1", "99999999999999999999999999.99"),
        ] {
            let expected = if arrives == "0" { Err(ExchangeError::Nothing) } else { Ok(arrives.to_owned()) };
            assert_eq!(exchanged(amount, from, to, rate), expected, "{amount} at {rate}");
        }
    }

    #[test]
    fn what_cannot_be_computed_exactly_is_refused() {
        assert_eq!(exchanged("99999999999999999999999999.99", 2, 2, "1.1"), Err(ExchangeError::TooLarge));
        assert_eq!(
            exchanged("99999999999999999999999999.99", 2, 2, "1234567890123456.123456789012"),
            Err(ExchangeError::TooLarge)
        );
        assert_eq!(exchanged("9999999999999999999999999999", 0, 18, "0.000000000001"), Err(ExchangeError::TooLarge));
        assert_eq!(exchanged("0.000000000000000001", 18, 0, "0.000000000001"), Err(ExchangeError::Nothing));
    }

    proptest! {
        // Fails when what arrives is rounded to the nearest: one yen at 0.0066 becomes a cent, as often as one likes.
        #[test]
        fn what_arrives_is_never_more_than_it_is_worth_and_lacks_less_than_a_unit(units in 1i64..1_000_000_000_000, from in 0u8..=8, to in 0u8..=8, mantissa in 1i64..1_000_000_000, scale in 0u32..=12) {
            let (from, to, rate) = (currency("AAA", from), currency("BBB", to), Decimal::new(mantissa, scale));
            // Both sides times 10^(scale + from), so that they are whole.
            let exact = i128::from(units) * i128::from(mantissa) * 10i128.pow(u32::from(to.exponent));
            let unit = 10i128.pow(scale + u32::from(from.exponent));
            match exchange(Amount::from(units), from, to, rate) {
                Ok(arrives) => prop_assert!((0..unit).contains(&(exact - arrives.minor_units() * unit))),
                Err(ExchangeError::Nothing) => prop_assert!(exact < unit),
                Err(ExchangeError::TooLarge) => prop_assert!(exact / unit > Amount::MAX.minor_units()),
            }
        }
    }
}
