//! Numbers as the digits that stand in the message.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

/// Decimals of a price, at most.
pub(super) const PRICE_DECIMALS_MAX: u8 = 18;
/// Digits of a price before the point, at most, so that NUMERIC(38,18) holds it.
pub(super) const PRICE_WHOLE_DIGITS_MAX: usize = 20;
pub(super) const QTY_MAX: i64 = 1_000_000_000_000;

#[derive(Debug, PartialEq, Eq)]
pub(in crate::billing) enum Fault {
    NotANumber,
    Negative,
    TooPrecise,
    TooLarge,
}

/// A price: digits, a point and digits, an exponent, or less of them; zero trailing decimals do not count.
pub(super) fn price(text: &str) -> Result<BigDecimal, Fault> {
    limited(text, PRICE_DECIMALS_MAX, PRICE_WHOLE_DIGITS_MAX)
}

/// A quantity: any way to write a whole number.
pub(super) fn quantity(text: &str) -> Result<i64, Fault> {
    let (digits, _) = decimal(text, 0, 13)?;
    i64::try_from(digits).ok().filter(|qty| *qty <= QTY_MAX).ok_or(Fault::TooLarge)
}

/// A number of a bill, as a price but with these limits.
pub(in crate::billing) fn limited(text: &str, decimals_max: u8, whole_digits_max: usize) -> Result<BigDecimal, Fault> {
    let (digits, scale) = decimal(text, decimals_max, whole_digits_max)?;
    Ok(BigDecimal::new(BigInt::from(digits), scale))
}

/// Digits and how many of them are decimals, within both limits, of 38 digits together at most.
fn decimal(text: &str, decimals_max: u8, whole_digits_max: usize) -> Result<(u128, i64), Fault> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let exponent = exponent.map_or(Ok(0), power)?;
    if !is_digits(whole) || fraction.is_some_and(|it| !is_digits(it)) {
        return Err(Fault::NotANumber);
    }
    let fraction = fraction.unwrap_or_default();
    let all = || whole.bytes().chain(fraction.bytes());
    let (leading, count) = (all().take_while(|b| *b == b'0').count(), whole.len() + fraction.len());
    if leading == count {
        return Ok((0, 0));
    }
    if negative {
        return Err(Fault::Negative);
    }
    let trailing = fraction.bytes().rev().take_while(|b| *b == b'0').count();
    let trailing = match trailing == fraction.len() {
        true => trailing + whole.bytes().rev().take_while(|b| *b == b'0').count(),
        false => trailing,
    };
    // The digits from the first to the last that is not zero, and how many of them are decimals: below zero, so many
    // zeros follow.
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let significant = count - leading - trailing;
    let scale = length(fraction.len()).saturating_sub(length(trailing)).saturating_sub(exponent);
    if length(significant).saturating_sub(scale) > length(whole_digits_max) {
        return Err(Fault::TooLarge);
    }
    if scale > i64::from(decimals_max) {
        return Err(Fault::TooPrecise);
    }
    let zeros = usize::try_from(-scale).unwrap_or(0);
    let digits = all().skip(leading).take(significant).chain(std::iter::repeat_n(b'0', zeros));
    Ok((digits.fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0')), scale.max(0)))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// An exponent of any length; far ones are cut, since they lead outside of all limits anyway.
fn power(text: &str) -> Result<i64, Fault> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !is_digits(digits) {
        return Err(Fault::NotANumber);
    }
    let far = 1_000_000_000_000;
    Ok(sign * digits.bytes().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(far)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_digit_by_digit() {
        for (text, plain) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.00e5", "0"),
            ("0e999999999999999999999999", "0"),
            ("12.50", "12.5"),
            ("1e2", "100"),
            ("1.5E+1", "15"),
            ("1500e-3", "1.5"),
            ("007.50", "7.5"),
            ("100", "100"),
            ("100.00", "100"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("0.0000000000000000010000", "0.000000000000000001"),
            ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
            ("1.0000000000000000000000000000000000000000", "1"),
            ("1000000000000000000000000000000000000000000000000e-30", "1000000000000000000"),
        ] {
            assert_eq!(price(text).map(|price| price.to_plain_string()), Ok(plain.to_owned()), "{text}");
        }
        for (text, fault) in [
            ("-0.01", Fault::Negative),
            ("100000000000000000000", Fault::TooLarge),
            ("1234567890123456789012345678901234567890", Fault::TooLarge),
            ("1e20", Fault::TooLarge),
            ("1e999999999999999999999999", Fault::TooLarge),
            ("0.0000000000000000001", Fault::TooPrecise),
            ("1e-19", Fault::TooPrecise),
            ("1e-999999999999999999999999", Fault::TooPrecise),
        ] {
            assert_eq!(price(text), Err(fault), "{text}");
        }
        for text in [
            "", "-", "+1", ".5", "5.", "1,5", " 1", "1 ", "1e", "1e+", "e1", "1.2.3", "NaN", "Infinity", "0x1", "1_0",
            "٣",
        ] {
            assert_eq!(price(text), Err(Fault::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn quantities_are_whole_by_value() {
        for (text, qty) in [("2", 2), ("2.0", 2), ("2e0", 2), ("20e-1", 2), ("0", 0), ("-0", 0), ("1e12", QTY_MAX)] {
            assert_eq!(quantity(text), Ok(qty), "{text}");
        }
        for (text, fault) in [
            ("2.5", Fault::TooPrecise),
            ("1e-1", Fault::TooPrecise),
            ("-1", Fault::Negative),
            ("1000000000001", Fault::TooLarge),
            ("1e13", Fault::TooLarge),
        ] {
            assert_eq!(quantity(text), Err(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_price_is_what_a_slower_reader_says(text in "[0-9]{1,25}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?") {
            let slow: BigDecimal = text.parse().unwrap();
            match price(&text) {
                Ok(read) => prop_assert_eq!(read, slow),
                Err(Fault::TooLarge) => prop_assert!(slow >= "1e20".parse::<BigDecimal>().unwrap()),
                Err(Fault::TooPrecise) => prop_assert!(slow.normalized().fractional_digit_count() > 18),
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
