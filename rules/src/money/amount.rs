//! Amounts in minor units, and their decimal text.

use std::fmt;

/// An amount in minor units (cents for USD), of either sign, below 10^28.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// Why a text or a number is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not of the form `12`, `12.5` or `-12.50`.
    #[error("{0:?} is not a decimal amount such as \"12.50\"")]
    NotDecimal(String),
    /// The text has more decimals than the currency.
    #[error("{text:?} has more than the {exponent} decimals of its currency")]
    TooPrecise {
        /// Cut to 40 characters.
        text: String,
        /// Decimals of the currency.
        exponent: u8,
    },
    /// 10^28 minor units or more.
    #[error("the amount has more than 28 digits")]
    TooLarge,
}

impl Amount {
    pub const ZERO: Self = Self(0);
    /// 28 nines.
    pub const MAX: Self = Self(9_999_999_999_999_999_999_999_999_999);

    /// An amount of so many minor units.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 on.
    pub const fn new(minor_units: i128) -> Result<Self, AmountError> {
        if minor_units.unsigned_abs() > Self::MAX.0.unsigned_abs() {
            Err(AmountError::TooLarge)
        } else {
            Ok(Self(minor_units))
        }
    }

    pub const fn minor_units(self) -> i128 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 minor units on.
    pub const fn plus(self, other: Self) -> Result<Self, AmountError> {
        Self::new(self.0 + other.0)
    }

    /// The difference.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 minor units on.
    pub const fn minus(self, other: Self) -> Result<Self, AmountError> {
        Self::new(self.0 - other.0)
    }

    /// Reads decimal text in the currency's unit. No sign but `-`, no spaces, no exponent.
    ///
    /// # Errors
    /// By kind of fault, with the text cut to 40 characters.
    pub fn parse(text: &str, exponent: u8) -> Result<Self, AmountError> {
        let not_decimal = || AmountError::NotDecimal(text.chars().take(40).collect());
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !numeric(whole) || !numeric(fraction) || (digits.contains('.') && fraction.is_empty()) {
            return Err(not_decimal());
        }
        let places = usize::from(exponent);
        if fraction.len() > places && fraction.as_bytes()[places..].iter().any(|b| *b != b'0') {
            return Err(AmountError::TooPrecise { text: text.chars().take(40).collect(), exponent });
        }
        let mut units: i128 = 0;
        let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(places);
        for digit in whole.bytes().chain(kept) {
            units = units * 10 + i128::from(digit - b'0');
            if units > Self::MAX.0 {
                return Err(AmountError::TooLarge);
            }
        }
        Ok(Self(if negative { -units } else { units }))
    }

    /// Decimal text in the currency's unit, with all of its decimals.
    pub fn text(self, exponent: u8) -> String {
        Total(self.0).text(exponent)
    }
}

/// A total in minor units, which may have more digits than an amount.
pub(crate) struct Total(pub i128);

impl Total {
    pub(crate) fn text(&self, exponent: u8) -> String {
        let (sign, digits) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs().to_string());
        let places = usize::from(exponent);
        if places == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        format!("{sign}{whole}.{fraction}")
    }
}

/// Decimal text, in the currency's unit, of a total in minor units; it may have more digits than an amount.
pub fn decimal_text(minor_units: i128, exponent: u8) -> String {
    Total(minor_units).text(exponent)
}

impl From<i64> for Amount {
    fn from(minor_units: i64) -> Self {
        Self(i128::from(minor_units))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_exactly_or_refused() {
        let read = |text, exponent| Amount::parse(text, exponent).map(Amount::minor_units);
        for (text, exponent, units) in [
            ("12.50", 2, 1250),
            ("12.5", 2, 1250),
            ("12", 2, 1200),
            ("0.01", 2, 1),
            ("-3.10", 2, -310),
            ("7", 0, 7),
            ("1.5000", 2, 150),
        ] {
            assert_eq!(read(text, exponent), Ok(units), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e3", "+1", " 1", "1 ", "1,0", "NaN", "--1", "1.2.3", "٣"] {
            assert!(matches!(read(text, 2), Err(AmountError::NotDecimal(_))), "{text}");
        }
        assert!(matches!(read("0.001", 2), Err(AmountError::TooPrecise { .. })));
        assert_eq!(read("99999999999999999999999999.99", 2), Ok(Amount::MAX.minor_units()));
        assert_eq!(read("100000000000000000000000000", 2), Err(AmountError::TooLarge));
        assert_eq!(read(&"9".repeat(4000), 2), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn text_comes_back_as_the_same_amount(units in -9_999_999_999_999_999_999_999_999_999i128..=9_999_999_999_999_999_999_999_999_999, exponent in 0u8..=18) {
            let amount = Amount::new(units).unwrap();
            prop_assert_eq!(Amount::parse(&amount.text(exponent), exponent).unwrap(), amount);
        }
    }
}
