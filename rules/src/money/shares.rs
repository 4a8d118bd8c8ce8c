//! Shares of an amount that add up to it, by largest remainder: each is first rounded down, and the units that are left
//! go to those that lost most, the first of equals first.

use std::cmp::Reverse;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{Signed, Zero};
use bigdecimal::{BigDecimal, ToPrimitive};

use super::{Amount, AmountError};

/// The total in proportion to the weights; in equal parts if the weights add up to zero.
///
/// # Errors
/// `TooLarge` if a share has more than 28 digits, which needs weights of both signs.
///
/// # Panics
/// When there is something to share and nobody to have it.
pub fn proportional(total: Amount, weights: &[Amount]) -> Result<Vec<Amount>, AmountError> {
    let sum: i128 = weights.iter().map(|weight| weight.minor_units()).sum();
    let weight = |weight: &Amount| if sum == 0 { 1 } else { weight.minor_units() };
    let divisor = if sum == 0 { weights.iter().map(|_| 1).sum() } else { sum };
    let total_units = BigInt::from(total.minor_units());
    let parts = weights.iter().map(|it| &total_units * weight(it)).collect();
    largest_remainder(total, parts, BigInt::from(divisor))
}

/// The exact values in the currency's unit, each to its minor unit above or below, so that they add up to a total that
/// is their exact sum, rounded. (To any other total they are stretched by whole units.)
///
/// # Errors
/// `TooLarge` if a value has more than 28 digits.
///
/// # Panics
/// When there is a total and no value.
pub fn nearest(total: Amount, exact: &[BigDecimal], exponent: u8) -> Result<Vec<Amount>, AmountError> {
    let digits = |it: &BigDecimal, scale| it.with_scale(scale).into_bigint_and_scale().0;
    let scale = exact.iter().map(BigDecimal::fractional_digit_count).max().unwrap_or(0).max(i64::from(exponent));
    let unit = u32::try_from(scale - i64::from(exponent)).map_err(|_| AmountError::TooLarge)?;
    let parts = exact.iter().map(|it| digits(it, scale)).collect();
    largest_remainder(total, parts, BigInt::from(10).pow(unit))
}

fn largest_remainder(total: Amount, parts: Vec<BigInt>, divisor: BigInt) -> Result<Vec<Amount>, AmountError> {
    if parts.is_empty() {
        assert!(total == Amount::ZERO, "{total} is shared among nobody");
        return Ok(Vec::new());
    }
    let mut shares = Vec::with_capacity(parts.len());
    let mut rests = Vec::with_capacity(parts.len());
    for part in parts {
        let (whole, rest) = floor(&part, &divisor);
        shares.push(whole.to_i128().ok_or(AmountError::TooLarge)?);
        rests.push(rest.abs());
    }
    let too_large = AmountError::TooLarge;
    let given = shares.iter().try_fold(0i128, |sum, share| sum.checked_add(*share)).ok_or(too_large)?;
    let (left, count) = (total.minor_units() - given, i128::try_from(shares.len()).unwrap_or(i128::MAX));
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|index| (Reverse(&rests[*index]), *index));
    let mut more = left.rem_euclid(count);
    for index in order {
        shares[index] += left.div_euclid(count) + i128::from(more > 0);
        more -= 1;
    }
    shares.into_iter().map(Amount::new).collect()
}

/// The quotient rounded down, and the rest, which has the sign of the divisor.
fn floor(number: &BigInt, divisor: &BigInt) -> (BigInt, BigInt) {
    let (quotient, rest) = (number / divisor, number % divisor);
    if rest.is_zero() || rest.is_negative() == divisor.is_negative() {
        (quotient, rest)
    } else {
        (quotient - 1, rest + divisor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Rounding;

    fn units(shares: Result<Vec<Amount>, AmountError>) -> Vec<i128> {
        shares.unwrap().into_iter().map(Amount::minor_units).collect()
    }

    fn amounts(units: &[i64]) -> Vec<Amount> {
        units.iter().copied().map(Amount::from).collect()
    }

    #[test]
    fn what_is_left_goes_to_the_largest_remainder_and_to_the_first_of_equals() {
        for (total, weights, shares) in [
            (100, &[1, 1, 1][..], &[34, 33, 33][..]),
            (10, &[2, 3, 5], &[2, 3, 5]),
            (1, &[1, 2], &[0, 1]),
            (-1, &[1, 2], &[0, -1]),
            (7, &[0, 5, 0, 5], &[0, 4, 0, 3]),
            (5, &[0, 0], &[3, 2]),
            (0, &[], &[]),
            (10, &[-5, 10], &[-10, 20]),
            (10, &[-1, -2], &[3, 7]),
        ] {
            assert_eq!(units(proportional(Amount::from(total), &amounts(weights))), shares, "{total} by {weights:?}");
        }
    }

    #[test]
    fn exact_values_stay_within_a_unit_of_themselves() {
        for (total, exact, shares) in [
            (1, &["0.004", "0.004", "0.004"][..], &[1, 0, 0][..]),
            (1000, &["9.99", "0.004", "0.005"], &[999, 0, 1]),
            (101, &["0.335", "0.335", "0.335"], &[34, 34, 33]),
            (-1, &["0.005", "-0.01"], &[0, -1]),
            (500, &["5"], &[500]),
        ] {
            let exact: Vec<BigDecimal> = exact.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(units(nearest(Amount::from(total), &exact, 2)), shares, "{total} of {exact:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_exactly_and_none_is_a_unit_away_from_its_part(
            total in -1_000_000_000_000i64..1_000_000_000_000,
            weights in prop::collection::vec(0i64..1_000_000_000, 1..40),
        ) {
            let shares = units(proportional(Amount::from(total), &amounts(&weights)));
            prop_assert_eq!(shares.iter().sum::<i128>(), i128::from(total));
            let sum: i128 = weights.iter().copied().map(i128::from).sum();
            for (share, weight) in shares.iter().zip(&weights).filter(|_| sum > 0) {
                prop_assert!((share * sum - i128::from(total) * i128::from(*weight)).abs() < sum);
            }
        }

        #[test]
        fn rounded_parts_add_up_to_the_rounded_sum(parts in prop::collection::vec((-1_000_000i64..1_000_000, 0i64..6), 1..40)) {
            let exact: Vec<BigDecimal> = parts.iter().map(|(digits, scale)| BigDecimal::new(BigInt::from(*digits), *scale)).collect();
            let total = Rounding::HalfEven.amount(&exact.iter().sum(), 2).unwrap();
            let shares = units(nearest(total, &exact, 2));
            prop_assert_eq!(shares.iter().sum::<i128>(), total.minor_units());
            for (share, exact) in shares.iter().zip(exact) {
                prop_assert!((BigDecimal::new(BigInt::from(*share), 2) - exact).abs() < BigDecimal::new(1.into(), 2));
            }
        }
    }
}
