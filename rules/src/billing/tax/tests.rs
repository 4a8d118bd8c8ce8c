use proptest::prelude::*;

use super::*;
use crate::money::CurrencyCode;

const USD: u8 = 2;

fn currency(exponent: u8) -> Currency {
    Currency { code: CurrencyCode::parse("AAA").unwrap(), exponent }
}

fn rate(percent: &str) -> TaxRate {
    match percent {
        "exempt" => TaxRate::Exempt,
        "reverse charge" => TaxRate::ReverseCharge,
        percent => TaxRate::standard(percent.parse().unwrap()).unwrap(),
    }
}

fn priced(lines: &[(&str, &str)]) -> Vec<PricedLine> {
    lines.iter().map(|(exact, percent)| PricedLine { exact: exact.parse().unwrap(), rate: rate(percent) }).collect()
}

const EXCLUSIVE: Pricing = Pricing { inclusive: false, rounding: Rounding::HalfAwayFromZero, per: Per::Rate };
const INCLUSIVE: Pricing = Pricing { inclusive: true, ..EXCLUSIVE };
const PER_LINE: Pricing = Pricing { per: Per::Line, ..EXCLUSIVE };
const PER_LINE_HALF_EVEN: Pricing = Pricing { rounding: Rounding::HalfEven, ..PER_LINE };

/// Subtotal, tax and total as text.
fn sums(taxed: &Taxed, exponent: u8) -> [String; 3] {
    [taxed.subtotal, taxed.tax, taxed.total].map(|amount| amount.text(exponent))
}

#[test]
fn golden_invoices_come_to_what_their_sources_say() {
    for (case, lines, pricing, expected) in [
        // Row 21, Stripe support: 15 % on each line is .06 + .73.
        ("two small lines", &[("0.43", "15"), ("4.84", "15")][..], PER_LINE, ["5.27", "0.79", "6.06"]),
        // Row 22, Wafeq.
        ("two rates", &[("45.30", "5"), ("33.45", "10")], EXCLUSIVE, ["78.75", "5.62", "84.37"]),
        // Row 23, Stax Bill and computed: 4 x 1.225.
        ("four lines, each", &[("17.50", "7"); 4], PER_LINE, ["70.00", "4.92", "74.92"]),
        ("four lines, each, half to even", &[("17.50", "7"); 4], PER_LINE_HALF_EVEN, ["70.00", "4.88", "74.88"]),
        ("four lines together", &[("17.50", "7"); 4], EXCLUSIVE, ["70.00", "4.90", "74.90"]),
        // Row 25, computed.
        ("19 % within", &[("119.00", "19")], INCLUSIVE, ["100.00", "19.00", "119.00"]),
        ("21 % within", &[("10.00", "21")], INCLUSIVE, ["8.26", "1.74", "10.00"]),
        ("both within", &[("119.00", "19"), ("10.00", "21")], INCLUSIVE, ["108.26", "20.74", "129.00"]),
        // Contracts 2 and 3: floats gave 0.22 and 0.04.
        ("1.25", &[("1.25", "18")], EXCLUSIVE, ["1.25", "0.23", "1.48"]),
        ("0.25", &[("0.25", "18")], EXCLUSIVE, ["0.25", "0.05", "0.30"]),
        // Contract 2: once, on the exact subtotal, which is 0.0075 x 18 % here.
        ("below a cent", &[("0.0025", "18"); 3], EXCLUSIVE, ["0.01", "0.00", "0.01"]),
        ("nothing", &[("0", "18")], EXCLUSIVE, ["0.00", "0.00", "0.00"]),
        ("no lines", &[], EXCLUSIVE, ["0.00", "0.00", "0.00"]),
        ("untaxed", &[("5", "exempt"), ("7", "reverse charge")], EXCLUSIVE, ["12.00", "0.00", "12.00"]),
        ("untaxed, within", &[("5", "exempt"), ("7", "reverse charge")], INCLUSIVE, ["12.00", "0.00", "12.00"]),
    ] {
        let taxed = tax(&priced(lines), pricing, currency(USD)).unwrap();
        assert_eq!(sums(&taxed, USD), expected, "{case}");
    }
}

#[test]
fn tax_is_rounded_to_the_currencys_own_unit() {
    for (exponent, expected) in [(0, ["11", "2", "13"]), (3, ["11.250", "2.025", "13.275"])] {
        let taxed = tax(&priced(&[("11.25", "18")]), EXCLUSIVE, currency(exponent)).unwrap();
        assert_eq!(sums(&taxed, exponent), expected);
    }
}

#[test]
fn groups_keep_their_treatment_and_stand_in_a_fixed_order() {
    let lines = priced(&[("5", "reverse charge"), ("1", "18"), ("3", "exempt"), ("2", "5.0"), ("4", "0"), ("9", "5")]);
    let taxed = tax(&lines, EXCLUSIVE, currency(USD)).unwrap();
    let groups: Vec<_> = taxed.groups.iter().map(|it| (it.rate, it.net.text(USD), it.tax.text(USD))).collect();
    let group = |percent, net: &str, tax: &str| (rate(percent), net.to_owned(), tax.to_owned());
    let expected = [
        group("0", "4.00", "0.00"),
        group("5", "11.00", "0.55"),
        group("18", "1.00", "0.18"),
        group("exempt", "3.00", "0.00"),
        group("reverse charge", "5.00", "0.00"),
    ];
    assert_eq!(groups, expected);
}

#[test]
fn a_discount_goes_to_the_rates_in_proportion_and_takes_its_tax_along() {
    let lines = priced(&[("200.00", "20"), ("100.00", "10")]);
    let taxed = discount(&lines, Amount::from(1_00), EXCLUSIVE, currency(USD)).unwrap();
    let [ten, twenty] = taxed.groups[..] else { panic!("{taxed:?}") };
    assert_eq!([ten.discount, ten.net, ten.tax].map(Amount::minor_units), [33, 99_67, 9_97]);
    assert_eq!([twenty.discount, twenty.net, twenty.tax].map(Amount::minor_units), [67, 199_33, 39_87]);
    assert_eq!(sums(&taxed, USD), ["299.00", "49.84", "348.84"]);

    let taxed = discount(&priced(&[("119.00", "19")]), Amount::from(19_00), INCLUSIVE, currency(USD)).unwrap();
    assert_eq!(sums(&taxed, USD), ["84.03", "15.97", "100.00"]);

    let all = discount(&lines, Amount::from(300_00), EXCLUSIVE, currency(USD)).unwrap();
    assert_eq!(sums(&all, USD), ["0.00", "0.00", "0.00"]);
    // Half a cent was rounded up to one: with the discount less than nothing is left, and no tax below zero.
    let half_a_cent = discount(&priced(&[("0.005", "1000")]), Amount::from(1), EXCLUSIVE, currency(USD)).unwrap();
    assert_eq!(sums(&half_a_cent, USD), ["0.00", "0.00", "0.00"]);
    for wrong in [300_01, -1] {
        let (discount_given, limit) = (Amount::from(wrong), Amount::from(300_00));
        let refused = discount(&lines, discount_given, EXCLUSIVE, currency(USD));
        assert_eq!(refused, Err(TaxError::Discount { discount: discount_given, limit }));
    }
}

#[test]
fn more_than_28_digits_are_refused() {
    for lines in [&[("99999999999999999999999999", "18")][..], &[("1e50", "18")], &[("6e25", "0"), ("6e25", "exempt")]]
    {
        assert_eq!(tax(&priced(lines), EXCLUSIVE, currency(USD)), Err(TaxError::TooLarge), "{lines:?}");
        assert_eq!(tax(&priced(lines), PER_LINE, currency(USD)), Err(TaxError::TooLarge), "{lines:?}");
    }
}

fn any_lines() -> impl Strategy<Value = Vec<PricedLine>> {
    let percent = prop::sample::select(vec!["0", "5", "7.7", "18", "19", "1000", "exempt", "reverse charge"]);
    let line = (0i64..10_000_000, 0i64..7, percent).prop_map(|(digits, scale, percent)| PricedLine {
        exact: BigDecimal::new(digits.into(), scale),
        rate: rate(percent),
    });
    prop::collection::vec(line, 0..30)
}

fn any_pricing() -> impl Strategy<Value = Pricing> {
    let rounding = prop::sample::select(vec![Rounding::HalfAwayFromZero, Rounding::HalfEven]);
    let per = prop::sample::select(vec![Per::Rate, Per::Line]);
    (any::<bool>(), rounding, per).prop_map(|(inclusive, rounding, per)| Pricing { inclusive, rounding, per })
}

fn sum(amounts: impl Iterator<Item = Amount>) -> i128 {
    amounts.map(Amount::minor_units).sum()
}

proptest! {
    #[test]
    fn all_that_is_printed_adds_up(lines in any_lines(), pricing in any_pricing(), exponent in 0u8..4) {
        let taxed = tax(&lines, pricing, currency(exponent)).unwrap();
        prop_assert_eq!(taxed.total, taxed.subtotal.plus(taxed.tax).unwrap());
        prop_assert_eq!(sum(taxed.groups.iter().map(|it| it.net)), taxed.subtotal.minor_units());
        prop_assert_eq!(sum(taxed.groups.iter().map(|it| it.tax)), taxed.tax.minor_units());
        for group in &taxed.groups {
            let lines = || taxed.lines.iter().filter(|line| line.rate == group.rate);
            prop_assert_eq!(sum(lines().map(|it| it.net)), group.net.minor_units());
            prop_assert_eq!(sum(lines().map(|it| it.tax)), group.tax.minor_units());
        }
        for (line, priced) in taxed.lines.iter().zip(&lines) {
            prop_assert_eq!(line.rate, priced.rate);
            prop_assert_eq!(line.gross, line.net.plus(line.tax).unwrap());
            prop_assert!(line.net >= Amount::ZERO && line.tax >= Amount::ZERO, "{:?}", line);
        }
    }

    #[test]
    fn a_tax_on_the_sum_is_within_a_half_unit_of_the_exact_one(lines in any_lines(), inclusive in any::<bool>()) {
        let pricing = Pricing { inclusive, ..EXCLUSIVE };
        for group in tax(&lines, pricing, currency(USD)).unwrap().groups {
            let exact: BigDecimal = lines.iter().filter(|it| it.rate == group.rate).map(|it| &it.exact).sum();
            let percent = group.rate.percent().exact();
            let whole = if inclusive { &percent + BigDecimal::from(100) } else { BigDecimal::from(100) };
            let tax = BigDecimal::new(group.tax.minor_units().into(), i64::from(USD));
            prop_assert!((tax * &whole - exact * percent).abs() <= whole * BigDecimal::new(5.into(), 3));
        }
    }

    #[test]
    fn a_discount_is_taken_off_to_the_unit(lines in any_lines(), pricing in any_pricing(), part in 0i128..=100) {
        let before = tax(&lines, pricing, currency(USD)).unwrap();
        let priced = if pricing.inclusive { before.total } else { before.subtotal };
        let off = Amount::new(priced.minor_units() * part / 100).unwrap();
        let after = discount(&lines, off, pricing, currency(USD)).unwrap();
        let left = if pricing.inclusive { after.total } else { after.subtotal };
        prop_assert_eq!(left, priced.minus(off).unwrap());
        prop_assert_eq!(&after.lines, &before.lines);
        prop_assert_eq!(after.total, after.subtotal.plus(after.tax).unwrap());
        for (before, after) in before.groups.iter().zip(&after.groups) {
            prop_assert_eq!(after.net.plus(after.discount).unwrap(), before.net);
            prop_assert!(after.tax >= Amount::ZERO && after.tax <= before.tax);
        }
    }
}
