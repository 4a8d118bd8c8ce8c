//! Rounding, always as a named argument, from exact values to whole minor units.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::Signed;
use bigdecimal::{BigDecimal, ToPrimitive};

use super::{Amount, AmountError};

/// What becomes of a value between two whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the nearest, a half away from zero: 2.5 is 3, -2.5 is -3. As on invoices.
    #[default]
    HalfAwayFromZero,
    /// To the nearest, a half to the even one: 2.5 is 2, 3.5 is 4 (banker's rounding, `roundTiesToEven` of IEEE 754).
    HalfEven,
    /// Towards zero: 2.9 is 2, -2.9 is -2. As where money changes hands: nobody gains by many small pieces.
    Down,
}

impl Rounding {
    /// The name wherever a rounding is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfAwayFromZero => "half_away_from_zero",
            Self::HalfEven => "half_even",
            Self::Down => "down",
        }
    }

    /// `None`: no rounding has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::HalfAwayFromZero, Self::HalfEven, Self::Down].into_iter().find(|rounding| rounding.name() == name)
    }

    /// A quotient as a whole number.
    ///
    /// # Panics
    /// When the divisor is zero.
    pub fn quotient<T: Clone + Signed + PartialOrd>(self, number: T, divisor: T) -> T {
        let quotient = number.clone() / divisor.clone();
        let rest = (number.clone() % divisor.clone()).abs();
        let other = divisor.abs() - rest.clone(); // never twice the rest, which could overflow
        let is_odd = !(quotient.clone() % (T::one() + T::one())).is_zero();
        let to_nearest = rest > other || (rest == other && (self == Self::HalfAwayFromZero || is_odd));
        let up = to_nearest && self != Self::Down;
        if up { quotient + number.signum() * divisor.signum() } else { quotient }
    }

    /// The amount of an exact value in the currency's unit.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 minor units on.
    pub fn amount(self, exact: &BigDecimal, exponent: u8) -> Result<Amount, AmountError> {
        self.ratio(exact, &BigDecimal::from(1), exponent)
    }

    /// The amount of a quotient of exact values, which need not be a finite decimal.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 minor units on.
    ///
    /// # Panics
    /// When the divisor is zero.
    pub fn ratio(self, number: &BigDecimal, divisor: &BigDecimal, exponent: u8) -> Result<Amount, AmountError> {
        let (number, number_scale) = number.as_bigint_and_scale();
        let (divisor, divisor_scale) = divisor.as_bigint_and_scale();
        let up = divisor_scale + i64::from(exponent) - number_scale;
        let power = BigInt::from(10).pow(u32::try_from(up.unsigned_abs()).map_err(|_| AmountError::TooLarge)?);
        let units = match up >= 0 {
            true => self.quotient(&*number * power, divisor.into_owned()),
            false => self.quotient(number.into_owned(), &*divisor * power),
        };
        units.to_i128().ok_or(AmountError::TooLarge).and_then(Amount::new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_go_where_the_rounding_says_and_all_else_to_the_nearest() {
        use Rounding::{Down, HalfAwayFromZero, HalfEven};
        for (number, divisor, away, even) in [
            (5, 2, 3, 2),
            (7, 2, 4, 4),
            (-5, 2, -3, -2),
            (5, -2, -3, -2),
            (-7, -2, 4, 4),
            (1, 2, 1, 0),
            (-1, 2, -1, 0),
            (4, 3, 1, 1),
            (5, 3, 2, 2),
            (-5, 3, -2, -2),
            (0, 7, 0, 0),
            (i128::MAX, 1, i128::MAX, i128::MAX),
            (i128::MAX, i128::MAX, 1, 1),
            (i128::MAX - 1, i128::MAX, 1, 1),
        ] {
            assert_eq!(HalfAwayFromZero.quotient(number, divisor), away, "{number} / {divisor}");
            assert_eq!(HalfEven.quotient(number, divisor), even, "{number} / {divisor}");
            assert_eq!(Down.quotient(number, divisor), number / divisor, "{number} / {divisor}");
        }
    }

    #[test]
    fn an_exact_value_is_rounded_to_the_currencys_decimals_and_never_silently_cut() {
        let amount = |text: &str, exponent| Rounding::HalfAwayFromZero.amount(&text.parse().unwrap(), exponent);
        for (text, exponent, units) in [
            ("1.005", 2, 101),
            ("1.0049999999999999999999999999999999999999", 2, 100),
            ("-0.225", 2, -23),
            ("12", 3, 12_000),
            ("12.5", 0, 13),
            ("1e3", 2, 100_000),
            ("99999999999999999999999999.994", 2, Amount::MAX.minor_units()),
        ] {
            assert_eq!(amount(text, exponent).map(Amount::minor_units), Ok(units), "{text}");
        }
        for text in ["99999999999999999999999999.995", "1e60", "-1e60"] {
            assert_eq!(amount(text, 2), Err(AmountError::TooLarge), "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_roundings_are_within_a_half_and_differ_at_halves_alone(number in any::<i64>(), divisor in any::<i32>()) {
            prop_assume!(divisor != 0);
            let (number, divisor) = (i128::from(number), i128::from(divisor));
            let [away, even] = [Rounding::HalfAwayFromZero, Rounding::HalfEven].map(|it| it.quotient(number, divisor));
            prop_assert!((away * divisor - number).abs() * 2 <= divisor.abs());
            prop_assert!((even * divisor - number).abs() * 2 <= divisor.abs());
            prop_assert!(away == even || ((even * divisor - number).abs() * 2 == divisor.abs() && even % 2 == 0));
        }
    }
}
